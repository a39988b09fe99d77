#include "testbench/rtl_walker/rtl_walker.hpp"

#include <stdexcept>

#include "ept/arch/registers.hpp"
#include "testbench/rtl_walker/walker_pins.hpp"

namespace eptsim::tb {

RtlWalker::RtlWalker(std::string_view configuration) : pins_(make_walker_pins(configuration)) {
  reset();
}
RtlWalker::~RtlWalker() = default;

std::optional<std::string> RtlWalker::unsupported(const mmu::Context& context) {
  using namespace arch;
  if (cr0::kPg.any(context.cr0) && !efer::kLma.any(context.efer)) {
    return cr4::kPae.any(context.cr4) ? "PAE paging" : "32-bit paging";
  }
  if (cr3::kLamU48.any(context.cr3) || cr3::kLamU57.any(context.cr3) ||
      cr4::kLamSup.any(context.cr4)) {
    return "linear-address masking";
  }
  if (context.ept_enabled && eptp::kSupervisorShadowStack.any(context.eptp)) {
    return "supervisor shadow-stack control";
  }
  const mmu::Controls& controls = context.controls;
  if (controls.sub_page_permission) return "sub-page write permissions";
  if (controls.ept_violation_ve) return "virtualization exceptions";
  if (controls.pml) return "page-modification logging";
  if (controls.paging_write) return "EPT paging-write control";
  if (controls.guest_paging_verification) return "guest-paging verification";
  if (controls.hlat) return "HLAT paging";
  return std::nullopt;
}

std::optional<std::string> RtlWalker::unsupported(const mmu::Request& request) {
  if (request.access == arch::AccessKind::kShadowStackRead ||
      request.access == arch::AccessKind::kShadowStackWrite) {
    return "shadow stacks";
  }
  return std::nullopt;
}

void RtlWalker::reset() {
  pins_->reset();
  pins_->sample(outputs_);
}

const mmu::WalkerOutputs& RtlWalker::tick(const mmu::WalkerInputs& inputs) {
  if (inputs.request) {
    auto missing = unsupported(inputs.request->context->raw);
    if (!missing) missing = unsupported(inputs.request->request);
    if (missing) throw std::invalid_argument("the RTL walker lacks: " + *missing);
  }
  pins_->clock(inputs);
  pins_->sample(outputs_);
  outputs_.next_cycle = pins_->active() ? inputs.cycle + 1 : mmu::kNever;
  return outputs_;
}

}  // namespace eptsim::tb
