#include "testbench/rtl_walker/rtl_walker.hpp"

#include <stdexcept>

#include "ept/arch/registers.hpp"
#include "testbench/rtl_walker/walker_pins.hpp"

namespace eptsim::tb {

namespace {

void require_supported(const mmu::WalkerInputs& inputs) {
  if (!inputs.request) return;
  const auto missing = RtlWalker::unsupported(inputs.request->context->raw);
  if (missing) throw std::invalid_argument("the RTL walker lacks: " + *missing);
}

}  // namespace

RtlWalker::RtlWalker(std::string_view configuration) : pins_(make_walker_pins(configuration)) {
  reset();
}
RtlWalker::RtlWalker(std::string_view configuration, const Waveform& waveform)
    : pins_(make_walker_pins(configuration, waveform)) {
  reset();
}
RtlWalker::~RtlWalker() = default;

bool RtlWalker::end_waveform() { return pins_->end_waveform(); }
bool RtlWalker::write_lines(const std::string& file) { return pins_->write_lines(file); }

std::optional<std::string> RtlWalker::unsupported(const mmu::Context& context) {
  using namespace arch;
  if (cr3::kLamU48.any(context.cr3) || cr3::kLamU57.any(context.cr3) ||
      cr4::kLamSup.any(context.cr4)) {
    return "linear-address masking";
  }
  return std::nullopt;
}

void RtlWalker::reset() {
  pins_->reset();
  begun_ = false;
  sample(outputs_);
}

void RtlWalker::sample(mmu::WalkerOutputs& outputs) const {
  pins_->sample(outputs);
  outputs.next_cycle = pins_->active() ? cycle_ + 1 : mmu::kNever;
}

const mmu::WalkerOutputs& RtlWalker::outputs() const {
  if (begun_) {
    pins_->end();
    begun_ = false;
    sample(outputs_);
  }
  return outputs_;
}

const mmu::WalkerOutputs& RtlWalker::tick(const mmu::WalkerInputs& inputs) {
  require_supported(inputs);
  if (begun_) pins_->end();
  pins_->begin(inputs);
  begun_ = true;
  cycle_ = inputs.cycle;
  return outputs();
}

void RtlWalker::watch(const mmu::WalkerInputs& inputs, mmu::WalkerOutputs& driven) {
  require_supported(inputs);
  if (begun_) {
    pins_->end_and_begin(inputs);
  } else {
    pins_->begin(inputs);
  }
  begun_ = true;
  sample(driven);
  cycle_ = inputs.cycle;
}

}  // namespace eptsim::tb
