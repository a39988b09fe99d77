#include "sim/cli/verify_wave.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "sim/input_error.hpp"

namespace eptsim::sim {

VerifyWave::VerifyWave(const std::string& file, std::optional<std::uint64_t> first,
                       std::optional<std::uint64_t> last)
    : shown_(file), file_(file), first_(first), last_(last) {}

void VerifyWave::begin(std::string_view configuration) {
  // A folder, for the writer puts files of its own beside the one that it is given.
  folder_.emplace("wave");
  recording_.emplace(configuration, tb::Waveform{.file = (*folder_ / "rtl.fst").string(),
                                                 .first = first_.value_or(0),
                                                 .last = last_.value_or(mmu::kNever)});
}

void VerifyWave::join(tb::Voices& voices) {
  if (recording_) recording_->take_part(voices);
}

void VerifyWave::end() {
  if (ended_) return;
  ended_ = true;
  recorded_ = recording_->end();
}

void VerifyWave::write(bool needed) {
  end();
  if (!recorded_) {
    const InputError error("--wave " + shown_, ranged() ? "the RTL walked in none of these cycles"
                                                        : "the RTL took no part in this walk");
    if (needed) throw error;
    fmt::print(stderr, "{}\n", error.what());
    return;
  }
  file_.write(bytes_of(*folder_ / "rtl.fst"));
}

}  // namespace eptsim::sim
