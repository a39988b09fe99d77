#include "sim/trace/recorded_events.hpp"

#include <utility>

namespace eptsim::sim {
namespace {

constexpr std::uint64_t kAddressMask = (std::uint64_t{1} << recording::kAddressBits) - 1;
constexpr std::size_t kBatch = 4096;

/// Addresses of the program are those of the lower half, above the pages that are never mapped.
constexpr bool may_be_pointer(std::uint64_t value) {
  return value >= 0x10000 && value < std::uint64_t{1} << 47;
}

}  // namespace

void DependenceFinder::loaded(std::uint64_t number, std::uint64_t value) {
  if (!may_be_pointer(value)) return;
  entries_[(value >> kGranuleShift) % kEntries] = {value, number};
}

std::uint32_t DependenceFinder::depends_on(std::uint64_t loads, std::uint64_t address) const {
  std::uint64_t found = 0;
  const auto granule = address >> kGranuleShift;
  for (std::uint64_t i = 0; i <= kReach >> kGranuleShift; ++i) {
    const auto& entry = entries_[(granule - i) % kEntries];
    const auto distance = loads - entry.number;
    if (entry.value == 0 || entry.value > address || address - entry.value >= kReach ||
        distance > kWindow)
      continue;
    if (found == 0 || distance < found) found = distance;
  }
  return static_cast<std::uint32_t>(found);
}

void RecordedEvents::give(const Record& record) {
  batch_.push_back(record);
  if (batch_.size() == kBatch) {
    sink_(batch_);
    batch_.clear();
  }
}

void RecordedEvents::release(ThreadState& thread) {
  if (std::exchange(thread.has_held, false)) give(thread.held);
}

void RecordedEvents::begin_instructions(ThreadState& thread, std::uint64_t up_to,
                                        std::uint32_t number) {
  for (; thread.begun < up_to && thread.begun < thread.instruction_count; ++thread.begun) {
    const auto word = thread.code[thread.begun];
    const auto ip = word & kAddressMask;
    // Each turn of a repeated string instruction runs as a piece of its own, but is fetched once.
    if ((word & recording::kRepeats) != 0 && ip == thread.ip) continue;
    thread.ip = ip;
    if (!fetches_) {
      ++thread.uncounted;
      continue;
    }
    release(thread);
    Record record;
    record.kind = RecordKind::kFetch;
    record.address = record.ip = ip;
    record.size =
        static_cast<std::uint16_t>(word >> recording::kLengthShift & recording::kLengthMask);
    record.instructions = 1;
    record.vcpu = static_cast<std::uint8_t>(number);
    give(record);
  }
}

void RecordedEvents::access(ThreadState& thread, std::uint64_t event, std::uint64_t value,
                            std::uint32_t number) {
  const auto instruction = event >> recording::kInstructionShift & recording::kInstructionMask;
  begin_instructions(thread, instruction + 1, number);
  Record record;
  record.address = event & kAddressMask;
  record.ip = thread.ip;
  record.size =
      static_cast<std::uint16_t>(1U << (event >> recording::kSizeShift & recording::kSizeMask));
  record.vcpu = static_cast<std::uint8_t>(number);
  if ((event & recording::kStore) != 0) {
    record.kind = RecordKind::kWrite;
    if (thread.has_held && thread.held.address == record.address && thread.held.ip == record.ip &&
        thread.held.size == record.size) {
      thread.held.kind = RecordKind::kModify;
      release(thread);
      return;
    }
  }
  release(thread);
  record.instructions = std::exchange(thread.uncounted, 0);
  record.depends_on = thread.dependences.depends_on(thread.loads, record.address);
  if (record.kind == RecordKind::kWrite) {
    give(record);
    return;
  }
  if ((event & recording::kValueFollows) != 0) thread.dependences.loaded(thread.loads, value);
  ++thread.loads;
  thread.held = record;
  thread.has_held = true;
}

void RecordedEvents::add(std::uint32_t number, std::span<const std::uint64_t> words) {
  ThreadState& thread = threads_[number];
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto event = words[i];
    if (event == 0) continue;
    if ((event & recording::kCodeEvent) != 0) {
      begin_instructions(thread, thread.instruction_count, number);
      const auto place = event & ~recording::kCodeEvent;
      thread.instruction_count = code_[place];
      thread.code = code_ + place + 1;
      thread.begun = 0;
      continue;
    }
    const bool has_value = (event & recording::kValueFollows) != 0;
    if (has_value && i + 1 == words.size()) break;
    access(thread, event, has_value ? words[i + 1] : 0, number);
    if (has_value) ++i;
  }
}

void RecordedEvents::finish() {
  for (std::uint32_t number = 0; number < recording::kMaxThreads; ++number) {
    const auto found = threads_.find(number);
    if (found == threads_.end()) continue;
    begin_instructions(found->second, found->second.instruction_count, number);
    release(found->second);
  }
  if (!batch_.empty()) sink_(batch_);
  batch_.clear();
}

}  // namespace eptsim::sim
