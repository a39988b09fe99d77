#include "testbench/rtl_walker/rtl_walker.hpp"

#include <VWalkerPins.h>
#include <verilated.h>

#include <stdexcept>

#include "ept/arch/registers.hpp"

/// The Verilated library asks for it where no context holds a time. The walker's time is a port.
double sc_time_stamp() { return 0; }

namespace eptsim::tb {

namespace {

using mmu::OutcomeKind;
using mmu::Reason;

// Codes pass between C++ and SystemVerilog as numbers: those of walker_pkg.
static_assert(static_cast<int>(OutcomeKind::kTranslated) == 0);
static_assert(static_cast<int>(OutcomeKind::kPageFault) == 1);
static_assert(static_cast<int>(OutcomeKind::kEptViolation) == 2);
static_assert(static_cast<int>(OutcomeKind::kEptMisconfiguration) == 3);
static_assert(static_cast<int>(OutcomeKind::kGeneralProtection) == 7);
static_assert(static_cast<int>(Reason::kNotCanonical) == 1);
static_assert(static_cast<int>(Reason::kGuestNotPresent) == 3);
static_assert(static_cast<int>(Reason::kGuestProtectionKey) == 10);
static_assert(static_cast<int>(Reason::kEptNotPresent) == 12);
static_assert(static_cast<int>(Reason::kEptNotExecutable) == 16);
static_assert(static_cast<int>(Reason::kEptWriteWithoutRead) == 19);
static_assert(static_cast<int>(Reason::kEptExecuteOnlyUnsupported) == 20);
static_assert(static_cast<int>(Reason::kEptReservedBit) == 22);
static_assert(static_cast<int>(Reason::kEptMemoryType) == 23);

std::optional<arch::PageSize> page_of(unsigned level) {
  if (level == 0) return std::nullopt;
  return arch::page_of_level(level);
}

}  // namespace

struct RtlWalker::Pins {
  VerilatedContext context;
  VWalkerPins rtl{&context, "walker"};

  void clock() {
    rtl.clk_i = 1;
    rtl.eval();
    rtl.clk_i = 0;
    rtl.eval();
  }

  void drive(const mmu::WalkerInputs& inputs);
  void drive(const mmu::WalkRequest& request);
  mmu::WalkerOutputs sample() const;
  mmu::Outcome outcome() const;
};

void RtlWalker::Pins::drive(const mmu::WalkRequest& request) {
  const mmu::Context& raw = request.context->raw;
  rtl.request_tag_i = request.tag;
  rtl.request_address_i = request.request.address;
  rtl.request_linear_i = request.request.linear;
  rtl.request_access_i = static_cast<std::uint8_t>(request.request.access);
  rtl.request_user_i = request.request.user;
  rtl.request_implicit_i = request.request.implicit;
  rtl.context_ept_enabled_i = raw.ept_enabled;
  rtl.context_eptp_i = raw.eptp;
  rtl.context_cr0_i = raw.cr0;
  rtl.context_cr3_i = raw.cr3;
  rtl.context_cr4_i = raw.cr4;
  rtl.context_efer_i = raw.efer;
  rtl.context_pkru_i = raw.pkru;
  rtl.context_pkrs_i = raw.pkrs;
  rtl.context_pat_i = raw.pat;
  rtl.context_rflags_ac_i = raw.rflags_ac;
  rtl.context_mode_based_execute_i = raw.controls.mode_based_execute;
  rtl.context_maxphyaddr_i = static_cast<std::uint8_t>(raw.cpu.maxphyaddr);
  rtl.context_execute_only_i = raw.cpu.execute_only;
  rtl.context_page_1g_i = raw.cpu.page_1g;
  rtl.context_page_2m_i = raw.cpu.page_2m;
  rtl.context_guest_page_1g_i = raw.cpu.guest_page_1g;
  rtl.context_advanced_exit_info_i = raw.cpu.advanced_exit_info;
}

void RtlWalker::Pins::drive(const mmu::WalkerInputs& inputs) {
  rtl.time_i = inputs.cycle;
  rtl.request_valid_i = inputs.request.has_value();
  if (inputs.request) drive(*inputs.request);
  rtl.memory_ready_i = inputs.memory_ready;
  rtl.answer_valid_i = inputs.answer.has_value();
  if (inputs.answer) {
    rtl.answer_id_i = inputs.answer->id;
    rtl.answer_value_i = inputs.answer->value;
  }
  rtl.response_ready_i = inputs.response_ready;
}

mmu::Outcome RtlWalker::Pins::outcome() const {
  mmu::Outcome outcome;
  outcome.kind = static_cast<OutcomeKind>(rtl.response_outcome_o);
  outcome.reason = static_cast<Reason>(rtl.response_reason_o);
  outcome.gpa = rtl.response_gpa_o;
  outcome.hpa = rtl.response_hpa_o;
  if (outcome.kind == OutcomeKind::kTranslated) {
    outcome.guest_page_size = page_of(rtl.response_guest_page_o);
    outcome.ept_page_size = page_of(rtl.response_ept_page_o);
    outcome.page_size = arch::page_of_level(rtl.response_page_o);
    outcome.memory_type = static_cast<arch::MemoryType>(rtl.response_memory_type_o);
    outcome.guest_rights = {.write = rtl.response_guest_write_o != 0,
                            .user = rtl.response_guest_user_o != 0,
                            .execute = rtl.response_guest_execute_o != 0};
    outcome.ept_rights = {.read = rtl.response_ept_read_o != 0,
                          .write = rtl.response_ept_write_o != 0,
                          .execute = rtl.response_ept_execute_o != 0,
                          .user_execute = rtl.response_ept_user_execute_o != 0};
    outcome.dirty = rtl.response_dirty_o != 0;
    outcome.global = rtl.response_global_o != 0;
    outcome.protection_key = rtl.response_protection_key_o;
  }
  outcome.qualification = rtl.response_qualification_o;
  outcome.error_code = rtl.response_error_code_o;
  outcome.linear_valid = rtl.response_linear_valid_o != 0;
  outcome.place = {.guest_level = rtl.response_guest_level_o,
                   .ept_level = rtl.response_ept_level_o};
  outcome.entry_address = rtl.response_entry_address_o;
  outcome.entry = rtl.response_entry_o;
  return outcome;
}

mmu::WalkerOutputs RtlWalker::Pins::sample() const {
  mmu::WalkerOutputs outputs;
  outputs.request_ready = rtl.request_ready_o != 0;
  if (rtl.memory_valid_o != 0) {
    outputs.memory = mmu::MemoryRequest{
        .id = rtl.memory_id_o,
        .kind = rtl.memory_swap_o != 0 ? mmu::StepKind::kCompareExchange : mmu::StepKind::kRead,
        .address = rtl.memory_address_o,
        .expected = rtl.memory_expected_o,
        .desired = rtl.memory_desired_o,
        .place = {.guest_level = rtl.memory_guest_level_o, .ept_level = rtl.memory_ept_level_o}};
  }
  if (rtl.response_valid_o != 0) {
    outputs.response = mmu::WalkResponse{.tag = rtl.response_tag_o,
                                         .outcome = outcome(),
                                         .references = rtl.response_references_o,
                                         .cycles = rtl.response_cycles_o};
  }
  return outputs;
}

RtlWalker::RtlWalker() : pins_(std::make_unique<Pins>()) { reset(); }
RtlWalker::~RtlWalker() { pins_->rtl.final(); }

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
  // An edge of the reset is what its flip-flops wait for.
  pins_->rtl.rst_ni = 1;
  pins_->rtl.eval();
  pins_->drive(mmu::WalkerInputs{});
  pins_->rtl.rst_ni = 0;
  pins_->clock();
  pins_->rtl.rst_ni = 1;
  pins_->rtl.eval();
  outputs_ = pins_->sample();
}

const mmu::WalkerOutputs& RtlWalker::tick(const mmu::WalkerInputs& inputs) {
  if (inputs.request) {
    auto missing = unsupported(inputs.request->context->raw);
    if (!missing) missing = unsupported(inputs.request->request);
    if (missing) throw std::invalid_argument("the RTL walker lacks: " + *missing);
  }
  pins_->drive(inputs);
  pins_->clock();
  outputs_ = pins_->sample();
  return outputs_;
}

}  // namespace eptsim::tb
