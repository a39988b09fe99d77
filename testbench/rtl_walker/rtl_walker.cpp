#include "testbench/rtl_walker/rtl_walker.hpp"

#include <stdexcept>

#include "ept/arch/registers.hpp"
#include "testbench/rtl_walker/walker_pins.hpp"

namespace eptsim::tb {

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
  pins_->sample(outputs_);
  outputs_.next_cycle = mmu::kNever;
}

const mmu::WalkerOutputs& RtlWalker::tick(const mmu::WalkerInputs& inputs) {
  if (inputs.request) {
    const auto missing = unsupported(inputs.request->context->raw);
    if (missing) throw std::invalid_argument("the RTL walker lacks: " + *missing);
  }
  pins_->clock(inputs);
  pins_->sample(outputs_);
  outputs_.next_cycle = pins_->active() ? inputs.cycle + 1 : mmu::kNever;
  return outputs_;
}

}  // namespace eptsim::tb
