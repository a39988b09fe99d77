// What the recorder's tests record: a program that does what its first argument says.
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstring>

namespace {

constexpr std::size_t kNodes = 4096;
constexpr std::size_t kSteps = 100'000;

struct Node {
  Node* next;
  char rest[120];
};
Node nodes[kNodes];

/// Follows pointers from node to node, each load at the address that the load before gave.
[[gnu::noinline]] Node* chase(Node* node) {
  for (std::size_t i = 0; i < kSteps; ++i) {
    node = node->next;
    asm volatile("" : "+r"(node));
  }
  return node;
}

void* work(void*) {
  Node* node = chase(&nodes[0]);
  return node;
}

}  // namespace

int main(int count, char** arguments) {
  for (std::size_t i = 0; i < kNodes; ++i) nodes[i].next = &nodes[(i * 5 + 1) % kNodes];
  const char* mode = count > 1 ? arguments[1] : "";
  if (std::strcmp(mode, "threads") == 0) {
    pthread_t threads[3];
    for (auto& thread : threads) pthread_create(&thread, nullptr, work, nullptr);
    for (auto& thread : threads) pthread_join(thread, nullptr);
    return 0;
  } else if (std::strcmp(mode, "close") == 0) {
    for (int descriptor = 3; descriptor < 4096; ++descriptor) close(descriptor);
  } else if (std::strcmp(mode, "fork") == 0) {
    const pid_t child = fork();
    if (child == 0) _exit(chase(&nodes[1]) == nullptr ? 1 : 0);
    chase(&nodes[2]);
    waitpid(child, nullptr, 0);
    return 0;
  } else if (std::strcmp(mode, "crash") == 0) {
    chase(&nodes[0]);
    raise(SIGSEGV);
  }
  return chase(&nodes[0]) == nullptr ? 1 : 0;
}
