#include "testbench/scoreboard/rtl_recording.hpp"

#include <stdexcept>

#ifdef EPTSIM_HAS_RTL
#include "testbench/rtl_walker/rtl_walker.hpp"
#endif

namespace eptsim::tb {

#ifdef EPTSIM_HAS_RTL

namespace {

/// A walker that is someone else's.
class SharedWalker final : public mmu::WalkerUnit {
 public:
  explicit SharedWalker(mmu::WalkerUnit& walker) : walker_(walker) {}

  void reset() override { walker_.reset(); }
  const mmu::WalkerOutputs& outputs() const override { return walker_.outputs(); }
  const mmu::WalkerOutputs& tick(const mmu::WalkerInputs& inputs) override {
    return walker_.tick(inputs);
  }

 private:
  mmu::WalkerUnit& walker_;
};

}  // namespace

RtlRecording::RtlRecording(std::string_view configuration, const Waveform& waveform)
    : walker_(std::make_unique<RtlWalker>(configuration, waveform)) {}

void RtlRecording::take_part(Voices& voices) {
  if (voices.device) voices.device->unit = std::make_unique<SharedWalker>(*walker_);
}

bool RtlRecording::built() { return true; }
bool RtlRecording::end() { return walker_->end_waveform(); }
void RtlRecording::write_lines(const std::string& file) { walker_->write_lines(file); }

#else

class RtlWalker {};

RtlRecording::RtlRecording(std::string_view, const Waveform&) {
  throw std::invalid_argument("this build has no RTL");
}
void RtlRecording::take_part(Voices&) {}
bool RtlRecording::built() { return false; }
bool RtlRecording::end() { return false; }
void RtlRecording::write_lines(const std::string&) {}

#endif

RtlRecording::~RtlRecording() = default;

}  // namespace eptsim::tb
