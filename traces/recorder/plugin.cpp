// The recorder's half inside QEMU: a TCG plugin that tells each piece of code that runs and each
// data access, through the memory that sim/trace/recording.hpp lays out. It must be quick and can't
// rely on anything that the recorded program could take away: no descriptors, no output of its own.
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <climits>
#include <cstring>
#include <ctime>

#include "sim/trace/recording.hpp"
#include "traces/recorder/qemu_plugin_api.hpp"

namespace {

using namespace eptsim::sim;
using recording::Shared;

constexpr std::int64_t kExecve = 59;
constexpr std::int64_t kExecveat = 322;
constexpr unsigned kPointerShift = 3;  // a load of 8 bytes may load an address

// QEMU gives callbacks no place for state of the plugin as a whole, so it is here, in one object.
struct State {
  Shared* shared = nullptr;
  bool off = false;  // in a forked child, or once there is enough
  bool is_child = false;
  std::uint64_t guest_base = 0;  // what makes the program's address one of this process
};
State state;

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t seen) {
  const timespec timeout = {1, 0};
  syscall(SYS_futex, &word, FUTEX_WAIT, seen, &timeout, nullptr, 0);
}

void futex_wake(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

void hand_over(unsigned thread_number, recording::Thread& thread) {
  Shared& shared = *state.shared;
  // The queue can't overflow: it has a place for each chunk.
  const auto place = shared.chunks_full.fetch_add(1) % recording::kChunks;
  shared.queue[place].store((thread_number << 16 | (thread.chunk_plus_one - 1)) + 1,
                            std::memory_order_release);
  futex_wake(shared.chunks_full);
}

/// Gives the thread an empty chunk, waiting for the recorder if none is free. False if recording
/// has ended.
bool take_chunk(recording::Thread& thread) {
  Shared& shared = *state.shared;
  for (;;) {
    const auto freed = shared.chunks_freed.load();
    for (std::uint32_t chunk = 0; chunk < recording::kChunks; ++chunk) {
      std::uint32_t expected = recording::kFree;
      if (shared.chunk_states[chunk].load(std::memory_order_relaxed) != recording::kFree ||
          !shared.chunk_states[chunk].compare_exchange_strong(expected, recording::kTaken))
        continue;
      thread.chunk_plus_one = chunk + 1;
      thread.used = 0;
      return true;
    }
    if (shared.stop.load() != 0 || kill(shared.recorder_process, 0) != 0) {
      state.off = true;
      return false;
    }
    futex_wait(shared.chunks_freed, freed);
  }
}

/// Room for `words` words in the thread's chunk; null if recording has ended.
std::uint64_t* room_for(unsigned thread_number, std::uint32_t words) {
  if (state.off) return nullptr;
  Shared& shared = *state.shared;
  if (thread_number >= recording::kMaxThreads) [[unlikely]] {
    shared.threads_left_out.store(1);
    return nullptr;
  }
  recording::Thread& thread = shared.threads[thread_number];
  if (thread.chunk_plus_one == 0 || thread.used + words > recording::kChunkWords) [[unlikely]] {
    if (shared.stop.load() != 0) {
      state.off = true;
      return nullptr;
    }
    if (thread.chunk_plus_one != 0) {
      while (thread.used < recording::kChunkWords)
        shared.chunks[thread.chunk_plus_one - 1][thread.used++] = 0;
      hand_over(thread_number, thread);
      thread.chunk_plus_one = 0;
    }
    if (!take_chunk(thread)) return nullptr;
  }
  return &shared.chunks[thread.chunk_plus_one - 1][thread.used];
}

void stored(unsigned thread_number, std::uint32_t words) {
  // The words first, then their count: the recorder may read this after the process was killed.
  std::atomic_signal_fence(std::memory_order_release);
  state.shared->threads[thread_number].used += words;
}

void on_code(unsigned thread, void* user_data) {
  if (std::uint64_t* word = room_for(thread, 1)) {
    *word = recording::kCodeEvent | reinterpret_cast<std::uint64_t>(user_data);
    stored(thread, 1);
  }
}

void on_access(unsigned thread, qemu_plugin_meminfo_t info, std::uint64_t address,
               void* user_data) {
  std::uint64_t* word = room_for(thread, 2);
  if (word == nullptr) return;
  const unsigned shift = qemu_plugin_mem_size_shift(info);
  std::uint64_t event = (address & ((std::uint64_t{1} << recording::kAddressBits) - 1)) |
                        reinterpret_cast<std::uint64_t>(user_data) << recording::kInstructionShift |
                        std::uint64_t{shift} << recording::kSizeShift;
  if (qemu_plugin_mem_is_store(info)) {
    *word = event | recording::kStore;
    stored(thread, 1);
  } else if (shift == kPointerShift) {
    // The interface gives no values, but the program has just read these 8 bytes: they are there.
    std::memcpy(&word[1], reinterpret_cast<const void*>(state.guest_base + address), 8);
    *word = event | recording::kValueFollows;
    stored(thread, 2);
  } else {
    *word = event;
    stored(thread, 1);
  }
}

/// Whether the instruction is a string instruction with a repeat prefix.
bool repeats(const unsigned char* bytes, std::size_t size) {
  bool prefix = false;
  std::size_t i = 0;
  for (; i < size; ++i) {
    if (bytes[i] == 0xf2 || bytes[i] == 0xf3)
      prefix = true;
    else if (bytes[i] != 0x66 && bytes[i] != 0x67 && (bytes[i] & 0xf0) != 0x40)
      break;
  }
  if (!prefix || i == size) return false;
  const unsigned opcode = bytes[i];
  return (opcode >= 0xa4 && opcode <= 0xa7) || (opcode >= 0xaa && opcode <= 0xaf) ||
         (opcode >= 0x6c && opcode <= 0x6f);
}

void on_translation(qemu_plugin_id_t, qemu_plugin_tb* piece) {
  if (state.off) return;
  Shared& shared = *state.shared;
  const std::size_t count = qemu_plugin_tb_n_insns(piece);
  const auto place = shared.code_used.fetch_add(count + 1);
  if (place + count + 1 > recording::kCodeWords) {
    shared.code_is_full.store(1);
    state.off = true;
    return;
  }
  shared.code[place] = count;
  for (std::size_t i = 0; i < count; ++i) {
    qemu_plugin_insn* const instruction = qemu_plugin_tb_get_insn(piece, i);
    const auto address = qemu_plugin_insn_vaddr(instruction);
    const auto size = qemu_plugin_insn_size(instruction);
    std::uint64_t word = (address & ((std::uint64_t{1} << recording::kAddressBits) - 1)) |
                         std::uint64_t{size} << recording::kLengthShift;
    if (repeats(static_cast<const unsigned char*>(qemu_plugin_insn_data(instruction)), size))
      word |= recording::kRepeats;
    shared.code[place + 1 + i] = word;
    if (i == 0)
      if (void* host = qemu_plugin_insn_haddr(instruction))
        state.guest_base = reinterpret_cast<std::uint64_t>(host) - address;
    qemu_plugin_register_vcpu_mem_cb(instruction, on_access, QEMU_PLUGIN_CB_NO_REGS,
                                     QEMU_PLUGIN_MEM_RW, reinterpret_cast<void*>(i));
  }
  qemu_plugin_register_vcpu_tb_exec_cb(piece, on_code, QEMU_PLUGIN_CB_NO_REGS,
                                       reinterpret_cast<void*>(place));
}

bool is_exec(std::int64_t number) { return number == kExecve || number == kExecveat; }

void on_system_call(qemu_plugin_id_t, unsigned, std::int64_t number, std::uint64_t first,
                    std::uint64_t second, std::uint64_t, std::uint64_t, std::uint64_t,
                    std::uint64_t, std::uint64_t, std::uint64_t) {
  if (!is_exec(number)) return;
  Shared& shared = *state.shared;
  const auto path = state.guest_base + (number == kExecve ? first : second);
  // The program's pointer may be bad: let the kernel read it. A page at most, for the same reason.
  char text[recording::kPathBytes] = {};
  const std::size_t in_page = 4096 - path % 4096;
  iovec to = {text, sizeof text - 1};
  iovec from[2] = {
      {reinterpret_cast<void*>(path), in_page < to.iov_len ? in_page : to.iov_len},
      {reinterpret_cast<void*>(path + in_page), in_page < to.iov_len ? to.iov_len - in_page : 0}};
  if (process_vm_readv(getpid(), &to, 1, from, 2, 0) > 0)
    std::memcpy(shared.last_program, text, sizeof text);
  shared.programs.fetch_add(1);
  if (!state.is_child) shared.replaced.fetch_add(1);
}

void on_system_call_result(qemu_plugin_id_t, unsigned, std::int64_t number, std::int64_t) {
  if (!is_exec(number)) return;  // an exec that returns has failed
  state.shared->programs.fetch_sub(1);
  if (!state.is_child) state.shared->replaced.fetch_sub(1);
}

void in_forked_child() {
  if (!state.is_child) state.shared->forks.fetch_add(1);
  state.off = true;
  state.is_child = true;
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
                                                               const qemu_info_t* info, int count,
                                                               char** arguments) {
  constexpr char kMemory[] = "memory=";
  if (info->system_emulation || std::strcmp(info->target_name, "x86_64") != 0) return 1;
  if (count != 1 || std::strncmp(arguments[0], kMemory, sizeof kMemory - 1) != 0) return 1;
  const int descriptor = open(arguments[0] + sizeof kMemory - 1, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return 1;
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (memory == MAP_FAILED) return 1;
  state.shared = static_cast<Shared*>(memory);
  if (state.shared->magic != recording::kMagic) return 1;
  if (pthread_atfork(nullptr, nullptr, in_forked_child) != 0) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_vcpu_syscall_cb(id, on_system_call);
  qemu_plugin_register_vcpu_syscall_ret_cb(id, on_system_call_result);
  state.shared->attached.store(1);
  return 0;
}

}  // extern "C"
