// Where a core's program comes to rest for checkpoints, and goes on from one.

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/interrupt.hpp"
#include "sim/run/running_program.hpp"

namespace eptsim::sim {

/// The accesses after which the next one is due.
std::uint64_t RunningProgram::following_checkpoint() const {
  const CheckpointSettings& settings = work_.settings.checkpoint;
  if (settings.every != 0) return (translated_ / settings.every + 1) * settings.every;
  const bool is_due = settings.write && translated_ < work_.settings.warmup;
  return is_due ? work_.settings.warmup : kNoStop;
}

/// All cores come to the same cycle, and once all are there it is taken.
void RunningProgram::take_checkpoint(mmu::Cycle& cycle) {
  next_checkpoint_ = following_checkpoint();
  if (!is_alone()) meet(cycle, [] {}, counted_.cycles_by.other);
  meet(cycle, work_.take_checkpoint, counted_.cycles_by.other);
}

/// Comes to the cycle in which the last core does that hasn't ended. The cycles waited for it are
/// added to `counted`.
void RunningProgram::meet(mmu::Cycle& cycle, const std::function<void()>& met,
                          std::uint64_t& counted) {
  work_.group.arrive(work_.number, cycle, met);
  await([this] { return work_.group.meeting(work_.number); }, cycle, counted);
}

std::vector<RunningProgram::Place> RunningProgram::places() const {
  std::vector<Place> places;
  for (const Stream& stream : streams_) {
    RecordHash hash = stream.hash;
    hash.add(std::span(stream.batch).first(stream.next));
    places.push_back({.trace = stream.number, .read = stream.read, .hash = hash.value()});
  }
  return places;
}

std::optional<VcpuName> RunningProgram::running_vcpu() const {
  if (vcpu_ == nullptr) return std::nullopt;
  return VcpuName{.vm = vcpu_->machine.name, .vcpu = vcpu_->name};
}

/// Once all else has been read: goes on in the traces, and is in an address space again.
void RunningProgram::go_to(const std::vector<Place>& places, const std::optional<VcpuName>& vcpu) {
  next_checkpoint_ = following_checkpoint();
  resumed_ = true;
  std::erase_if(streams_, [&](const Stream& stream) {
    return std::ranges::find(places, stream.number, &Place::trace) == places.end();
  });
  for (std::size_t i = 0; i < places.size(); ++i) read_again(streams_[i], places[i]);
  if (!vcpu) return;
  vcpu_ = &work_.machines.vcpu(vcpu->vm, vcpu->vcpu, work_.number);
  if (!work_.group.has_left(work_.number)) work_.group.run(work_.number, *vcpu_);
  context_ = &vcpu_->machine.software.context(asid_, vcpu_->vpid, vcpu_->number,
                                              pcids().of(space(asid_)).value_or(0));
  port_.use(*context_);
  port_.log_with(vcpu_->machine.software.pml_index(vcpu_->number));
}

/// As the run that wrote the checkpoint did, batch by batch.
void RunningProgram::read_again(Stream& stream, const Place& place) {
  std::uint64_t before = 0;  // records before the batch
  while (before + stream.records < place.read) {
    if (work_.stop) throw Interrupted();
    before += stream.records;
    stream.hash.add(std::span(stream.batch).first(stream.records));
    stream.records = stream.trace.reader->read(stream.batch);
    if (stream.records != 0) continue;
    throw InputError(work_.settings.checkpoint.resume_name,
                     "was written after " + std::to_string(place.read) + " records of a trace, " +
                         "and " + trace_name(stream) + " has " + std::to_string(before));
  }
  stream.next = place.read - before;
  stream.read = place.read;
  RecordHash hash = stream.hash;
  hash.add(std::span(stream.batch).first(stream.next));
  if (hash.value() == place.hash) return;
  throw InputError(work_.settings.checkpoint.resume_name,
                   "was written of another trace: of the first " + std::to_string(place.read) +
                       " records of " + trace_name(stream) + " some differ");
}

}  // namespace eptsim::sim
