#pragma once

#include <atomic>
#include <cstdint>

/// The memory through which the plugin, inside QEMU, hands what it sees to the recorder, outside.
///
/// Shared memory, rather than a file or a pipe that the plugin writes, because the recorded program
/// owns the process: it may close every descriptor, fork, replace itself or die of a signal, and no
/// callback comes then. What has been stored here is safe in each case.
///
/// The plugin describes each translated piece of code once, in the code area, and then stores
/// events: "this piece runs", "its third instruction loads from there". Each thread fills a chunk
/// of events; full chunks go to the recorder by way of a queue, and come back by their state.
namespace eptsim::sim::recording {

constexpr std::uint64_t kMagic = 0x3152'4345'5254'5045;  // "EPTRECR1"
constexpr std::uint32_t kChunks = 1024;
constexpr std::uint32_t kChunkWords = 8192;
constexpr std::uint32_t kMaxThreads =
    1000;  ///< at a time: fewer than chunks, so one is always free
constexpr std::uint64_t kCodeWords = std::uint64_t{1} << 26;
constexpr std::uint32_t kPathBytes = 256;

// An event is a word. Zero: nothing, to fill up a chunk. Bit 63 set: a piece of code begins,
// described at that word of the code area.
constexpr std::uint64_t kCodeEvent = std::uint64_t{1} << 63;
// Otherwise it is a data access: address in bits 47:0, number of the instruction in the piece in
// 57:48, log2 of the size in 60:58.
constexpr std::uint64_t kValueFollows = std::uint64_t{1} << 62;  ///< the next word was loaded
constexpr std::uint64_t kStore = std::uint64_t{1} << 61;
constexpr unsigned kAddressBits = 48;
constexpr unsigned kInstructionShift = 48;
constexpr std::uint64_t kInstructionMask = 0x3ff;
constexpr unsigned kSizeShift = 58;
constexpr std::uint64_t kSizeMask = 7;

// The code area: the number of instructions, and for each a word: address in bits 47:0, length in
// 55:48, and whether it is a string instruction with a repeat prefix, of which each turn runs as a
// piece of its own.
constexpr unsigned kLengthShift = 48;
constexpr std::uint64_t kLengthMask = 0xff;
constexpr std::uint64_t kRepeats = std::uint64_t{1} << 56;

enum ChunkState : std::uint32_t { kFree, kTaken };

/// A thread of the program.
struct Thread {
  std::uint32_t chunk_plus_one = 0;  ///< 0: none yet
  std::uint32_t used = 0;            ///< words of it
};

struct Shared {
  std::uint64_t magic = kMagic;
  std::int32_t recorder_process = 0;

  std::atomic<std::uint32_t> stop;          ///< by the recorder: it has enough, or is about to end
  std::atomic<std::uint32_t> attached;      ///< the plugin is there
  std::atomic<std::uint32_t> code_is_full;  ///< recording ended because of that
  std::atomic<std::uint32_t> forks;         ///< processes that aren't recorded
  std::atomic<std::uint32_t> programs;      ///< other programs that a process turned into
  std::atomic<std::uint32_t> replaced;      ///< the recorded process itself did
  std::atomic<std::uint32_t> threads_left_out;
  char last_program[kPathBytes];

  std::atomic<std::uint64_t> code_used;
  Thread threads[kMaxThreads];

  std::atomic<std::uint32_t> chunk_states[kChunks];
  std::atomic<std::uint32_t> chunks_freed;    ///< a count to wait for
  std::atomic<std::uint32_t> chunks_full;     ///< a count to wait for, and the queue's end
  std::atomic<std::uint32_t> queue[kChunks];  ///< (thread << 16 | chunk) + 1; 0: taken out

  std::uint64_t chunks[kChunks][kChunkWords];
  std::uint64_t code[kCodeWords];
};

static_assert(std::atomic<std::uint32_t>::is_always_lock_free);

}  // namespace eptsim::sim::recording
