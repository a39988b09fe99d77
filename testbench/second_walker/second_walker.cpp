#include "testbench/second_walker/second_walker.hpp"

#include <VSecondWalker.h>
#include <verilated.h>

#include <utility>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/registers.hpp"

namespace eptsim::tb {
namespace {

using mmu::OutcomeKind;

class SecondWalker final : public ForeignWalker {
 public:
  SecondWalker() { reset(); }

  std::string name() const override { return "second walker"; }

  Reports reports() const override {
    return {.qualification = 0x1ff,  // bits 8:0
            .gpa = false,
            .page_sizes = false,
            .memory_type = false,
            .guest_rights = false,
            .ept_rights = false,
            .reason = false};
  }

  std::optional<std::string> unsupported(const mmu::Context& context,
                                         const mmu::Request& request) const override {
    using namespace arch;
    if (!request.linear) return "guest-physical requests";
    if (request.access > AccessKind::kReadModifyWrite) return "shadow stacks";
    if (!context.ept_enabled) return "no EPT";
    if (!cr0::kPg.any(context.cr0)) return "no paging";
    if (!efer::kLma.any(context.efer)) return "32-bit and PAE paging";
    if (cr4::kLa57.any(context.cr4)) return "5-level paging";
    if (eptp::kWalkLength.get(context.eptp) != 3) return "5-level EPT";
    if (eptp::kSupervisorShadowStack.any(context.eptp)) return "supervisor shadow-stack control";
    if (cr4::kLass.any(context.cr4)) return "LASS";
    if (cr4::kPke.any(context.cr4) || cr4::kPks.any(context.cr4)) return "protection keys";
    const mmu::Controls& controls = context.controls;
    if (controls.sub_page_permission) return "sub-page write permissions";
    if (controls.ept_violation_ve) return "virtualization exceptions";
    if (controls.pml) return "page-modification logging";
    if (controls.paging_write) return "EPT paging-write control";
    if (controls.guest_paging_verification) return "guest-paging verification";
    if (controls.hlat) return "HLAT paging";
    return std::nullopt;
  }

  void reset() override {
    inputs_ = {};
    asked_ = false;
    result_.reset();
    pins_.go = 0;
    pins_.bus_ack = 0;
    pins_.rst = 1;
    clock();
    pins_.rst = 0;
    pins_.eval();
  }

  void drive(const ForeignInputs& inputs) override {
    inputs_ = inputs;
    // The registers must be still while a walk is in flight, and a result that nobody has taken
    // yet must not be followed by another.
    pins_.go = inputs.request.has_value() && pins_.busy == 0 && !result_;
    if (pins_.go != 0) set_command(*inputs.request);
    pins_.bus_ack = inputs.answer.has_value();
    if (inputs.answer) pins_.bus_word = inputs.answer->value;
    pins_.eval();
  }

  ForeignOutputs sample() override {
    ForeignOutputs outputs;
    outputs.request_taken = pins_.go != 0;
    outputs.answer_taken = pins_.bus_ack != 0;
    // The strobe stays until the acknowledge; the word is asked for once.
    if (pins_.bus_strobe != 0 && !asked_ && inputs_.memory_ready) outputs.memory = memory_request();
    if (pins_.done != 0) result_ = result();
    if (result_ && inputs_.response_ready) outputs.response = std::exchange(result_, {});
    asked_ = (asked_ || outputs.memory) && !outputs.answer_taken;
    return outputs;
  }

  void clock() override {
    pins_.clk = 1;
    pins_.eval();
    pins_.clk = 0;
    pins_.eval();
  }

 private:
  void set_command(const mmu::WalkRequest& walk) {
    using namespace arch;
    const mmu::Context& context = walk.context->raw;
    tag_ = walk.tag;
    pins_.linear = walk.request.address;
    constexpr std::uint8_t kOps[] = {1, 2, 4, 3};  // read, write, fetch, read and write
    pins_.op = kOps[static_cast<unsigned>(walk.request.access)];
    pins_.cpl3 = walk.request.user;
    pins_.implicit = walk.request.implicit;
    pins_.guest_root = context.cr3 >> 12;
    pins_.wp = cr0::kWp.any(context.cr0);
    pins_.nxe = efer::kNxe.any(context.efer);
    pins_.smep = cr4::kSmep.any(context.cr4);
    pins_.smap = cr4::kSmap.any(context.cr4);
    pins_.ac = context.rflags_ac;
    pins_.ept_root = context.eptp >> 12;
    pins_.ept_flags = eptp::kAccessedDirty.any(context.eptp);
    pins_.mode_execute = context.controls.mode_based_execute;
    pins_.execute_only = context.cpu.execute_only;
    pins_.ept_1g = context.cpu.page_1g;
    pins_.ept_2m = context.cpu.page_2m;
    pins_.guest_1g = context.cpu.guest_page_1g;
    pins_.physical_bits = context.cpu.maxphyaddr & 0x3f;
  }

  mmu::MemoryRequest memory_request() const {
    const bool swap = pins_.bus_swap != 0;
    return {.kind = swap ? mmu::StepKind::kCompareExchange : mmu::StepKind::kRead,
            .address = pins_.bus_at << 3,
            .expected = pins_.bus_old,
            .desired = pins_.bus_new};
  }

  mmu::WalkResponse result() const {
    constexpr OutcomeKind kFaults[] = {OutcomeKind::kTranslated, OutcomeKind::kGeneralProtection,
                                       OutcomeKind::kPageFault, OutcomeKind::kEptViolation,
                                       OutcomeKind::kEptMisconfiguration};
    constexpr arch::PageSize kSpans[] = {arch::PageSize::k4K, arch::PageSize::k2M,
                                         arch::PageSize::k1G};
    mmu::WalkResponse response{.tag = tag_};
    mmu::Outcome& outcome = response.outcome;
    outcome.kind = kFaults[pins_.fault];
    outcome.hpa = outcome.gpa = pins_.where;
    // What belongs to another kind of outcome is left over, or never was set.
    if (outcome.kind == OutcomeKind::kTranslated) outcome.page_size = kSpans[pins_.span];
    outcome.error_code = outcome.kind == OutcomeKind::kPageFault ? pins_.info : 0;
    outcome.qualification = outcome.kind == OutcomeKind::kEptViolation ? pins_.info : 0;
    return response;
  }

  VerilatedContext verilator_;
  VSecondWalker pins_{&verilator_, "second_walker"};
  ForeignInputs inputs_;
  std::uint32_t tag_ = 0;
  bool asked_ = false;                       ///< for the word on the bus
  std::optional<mmu::WalkResponse> result_;  ///< has no ready: it is kept until it is taken
};

}  // namespace

std::unique_ptr<ForeignWalker> make_second_walker() { return std::make_unique<SecondWalker>(); }

}  // namespace eptsim::tb
