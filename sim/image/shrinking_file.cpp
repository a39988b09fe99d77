#include "sim/image/shrinking_file.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <string_view>

// What runs in the handler uses the stack and system calls alone: nothing else is allowed there,
// and nothing need be kept for it, since the kernel knows which file is mapped where.
namespace eptsim::sim {
namespace {

void say(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Takes the hexadecimal number at the front of `text` away.
std::uintptr_t take_number(std::string_view& text) {
  std::uintptr_t value = 0;
  while (!text.empty()) {
    const char c = text.front();
    const bool decimal = c >= '0' && c <= '9';
    if (!decimal && (c < 'a' || c > 'f')) break;
    value = value << 4 | static_cast<std::uintptr_t>(decimal ? c - '0' : c - 'a' + 10);
    text.remove_prefix(1);
  }
  return value;
}

/// The file in a line of /proc/self/maps, "7f00-7f80 r--p 0000 08:01 1234   /path", if the line is
/// about `address`.
std::string_view file_at(std::string_view line, std::uintptr_t address) {
  const std::uintptr_t first = take_number(line);
  if (line.empty()) return {};
  line.remove_prefix(1);
  const std::uintptr_t end = take_number(line);
  const std::size_t slash = line.find('/');
  if (address < first || address >= end || slash == std::string_view::npos) return {};
  return line.substr(slash);
}

void end_with_the_name_of_the_file(int, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  char line[8192];  // longer than any path
  std::size_t used = 0;
  char next = 0;
  while (maps >= 0 && ::read(maps, &next, 1) == 1) {
    if (next != '\n') {
      if (used < sizeof line) line[used++] = next;
      continue;
    }
    const std::string_view file = file_at({line, used}, address);
    used = 0;
    if (file.empty()) continue;
    say(file);
    say(": can't be read any more: it was cut short while in use, or its disk fails\n");
    ::_exit(2);
  }
  // No file of ours: the error is the program's own, and shows when the access is made again.
  ::signal(SIGBUS, SIG_DFL);
}

}  // namespace

void refuse_files_that_shrink() {
  struct sigaction action{};
  action.sa_sigaction = end_with_the_name_of_the_file;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace eptsim::sim
