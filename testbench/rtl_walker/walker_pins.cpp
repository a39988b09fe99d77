#include "testbench/rtl_walker/walker_pins.hpp"

#include <verilated.h>
#include <verilated_cov.h>
#include <verilated_fst_c.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "testbench/rtl_walker/verilated_walkers.hpp"

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
static_assert(static_cast<int>(OutcomeKind::kPmlFull) == 4);
static_assert(static_cast<int>(OutcomeKind::kSppEvent) == 5);
static_assert(static_cast<int>(OutcomeKind::kVirtualizationException) == 6);
static_assert(static_cast<int>(OutcomeKind::kGeneralProtection) == 7);
static_assert(static_cast<int>(Reason::kNotCanonical) == 1);
static_assert(static_cast<int>(Reason::kGuestNotPresent) == 3);
static_assert(static_cast<int>(Reason::kGuestShadowStack) == 11);
static_assert(static_cast<int>(Reason::kEptNotPresent) == 12);
static_assert(static_cast<int>(Reason::kEptPagingVerification) == 18);
static_assert(static_cast<int>(Reason::kEptWriteWithoutRead) == 19);
static_assert(static_cast<int>(Reason::kEptPagingWriteWithoutRead) == 21);
static_assert(static_cast<int>(Reason::kEptMemoryType) == 23);
static_assert(static_cast<int>(Reason::kPmlIndex) == 24);
static_assert(static_cast<int>(Reason::kSppMiss) == 25);
static_assert(static_cast<int>(Reason::kSppMisconfiguration) == 26);

std::optional<arch::PageSize> page_of(unsigned code) {
  if (code == 0) return std::nullopt;
  return code == 4 ? arch::PageSize::k4M : arch::page_of_level(code);
}

mmu::StepKind kind_of(unsigned code) {
  constexpr mmu::StepKind kKinds[] = {mmu::StepKind::kRead, mmu::StepKind::kCompareExchange,
                                      mmu::StepKind::kLoad, mmu::StepKind::kWrite};
  return kKinds[code];
}

template <class Rtl>
class PinsOf : public WalkerPins {
 public:
  ~PinsOf() override { rtl_.final(); }

  void reset() override;
  void begin(const mmu::WalkerInputs& inputs) override {
    strobe(inputs);
    settle(inputs);
  }
  void end() override { rise(); }
  void end_and_begin(const mmu::WalkerInputs& inputs) override {
    if (rtl_.answer_strobe_i != 0 || rtl_.news_strobe_i != 0) {  // then `begin` was called last
      lower_strobes();
      rtl_.eval();
    }
    strobe(inputs);
    rtl_.clk_i = 1;
    rtl_.eval();
    lower_strobes();
    settle(inputs);
  }
  void sample(mmu::WalkerOutputs& outputs) const override;
  bool active() const override { return rtl_.active_o != 0; }

 protected:
  /// The low half of a cycle, in which its inputs are there.
  virtual void settle(const mmu::WalkerInputs& inputs) {
    rtl_.time_i = inputs.cycle;
    rtl_.memory_ready_i = inputs.memory_ready;
    rtl_.response_ready_i = inputs.response_ready;
    rtl_.clk_i = 0;
    rtl_.eval();
  }
  /// The edge that ends it, if nothing is known of the next one's inputs.
  virtual void rise() {
    lower_strobes();
    rtl_.clk_i = 1;
    rtl_.eval();
  }

  void lower_strobes() { rtl_.answer_strobe_i = rtl_.news_strobe_i = 0; }

  VerilatedContext context_;
  Rtl rtl_{&context_, "walker"};

 private:
  /// Shows the ports that have news, with the next evaluation.
  void strobe(const mmu::WalkerInputs& inputs);
  void drive(const mmu::WalkRequest& request);
  void drive(const mmu::InvalidationScope& scope);
  mmu::Outcome outcome() const;
};

template <class Rtl>
void PinsOf<Rtl>::reset() {
  // An edge of the reset is what its flip-flops wait for, and of a strobe.
  lower_strobes();
  rtl_.rst_ni = 1;
  rtl_.eval();
  const mmu::WalkerInputs none;
  strobe(none);
  rtl_.news_strobe_i = 1;
  rtl_.rst_ni = 0;
  settle(none);
  rise();
  rtl_.rst_ni = 1;
  rtl_.eval();
}

template <class Rtl>
void PinsOf<Rtl>::drive(const mmu::WalkRequest& request) {
  const mmu::Context& raw = request.context->raw;
  rtl_.request_tag_i = request.tag;
  rtl_.request_address_i = request.request.address;
  rtl_.request_linear_i = request.request.linear;
  rtl_.request_size_i = request.request.size;
  rtl_.request_access_i = static_cast<std::uint8_t>(request.request.access);
  rtl_.request_user_i = request.request.user;
  rtl_.request_implicit_i = request.request.implicit;
  rtl_.context_ept_enabled_i = raw.ept_enabled;
  rtl_.context_eptp_i = raw.eptp;
  rtl_.context_cr0_i = raw.cr0;
  rtl_.context_cr3_i = raw.cr3;
  rtl_.context_cr4_i = raw.cr4;
  rtl_.context_efer_i = raw.efer;
  rtl_.context_pkru_i = raw.pkru;
  rtl_.context_pkrs_i = raw.pkrs;
  rtl_.context_pat_i = raw.pat;
  rtl_.context_rflags_ac_i = raw.rflags_ac;
  rtl_.context_vpid_i = raw.vpid;
  const auto& pdptes = request.context->pdptes;
  rtl_.context_pdpte0_i = pdptes[0];
  rtl_.context_pdpte1_i = pdptes[1];
  rtl_.context_pdpte2_i = pdptes[2];
  rtl_.context_pdpte3_i = pdptes[3];
  rtl_.context_mode_based_execute_i = raw.controls.mode_based_execute;
  rtl_.context_violation_ve_i = raw.controls.ept_violation_ve;
  rtl_.context_pml_i = raw.controls.pml;
  rtl_.context_paging_write_i = raw.controls.paging_write;
  rtl_.context_guest_paging_verification_i = raw.controls.guest_paging_verification;
  rtl_.context_sub_page_permission_i = raw.controls.sub_page_permission;
  rtl_.context_sppt_pointer_i = raw.sppt_pointer;
  rtl_.context_hlat_i = raw.controls.hlat;
  rtl_.context_hlat_pointer_i = raw.hlat_pointer;
  rtl_.context_hlat_prefix_size_i = raw.hlat_prefix_size;
  rtl_.context_pml_address_i = raw.pml_address;
  rtl_.context_pml_index_i = request.pml_index.value_or(raw.pml_index);
  rtl_.context_ve_info_address_i = raw.ve_info_address;
  rtl_.context_eptp_index_i = raw.eptp_index;
  rtl_.context_maxphyaddr_i = static_cast<std::uint8_t>(raw.cpu.maxphyaddr);
  rtl_.context_execute_only_i = raw.cpu.execute_only;
  rtl_.context_page_1g_i = raw.cpu.page_1g;
  rtl_.context_page_2m_i = raw.cpu.page_2m;
  rtl_.context_guest_page_1g_i = raw.cpu.guest_page_1g;
  rtl_.context_advanced_exit_info_i = raw.cpu.advanced_exit_info;
}

template <class Rtl>
void PinsOf<Rtl>::drive(const mmu::InvalidationScope& scope) {
  rtl_.invalidation_linear_mappings_i = scope.linear_mappings;
  rtl_.invalidation_combined_mappings_i = scope.combined_mappings;
  rtl_.invalidation_guest_physical_mappings_i = scope.guest_physical_mappings;
  rtl_.invalidation_vpid_valid_i = scope.vpid.has_value();
  rtl_.invalidation_vpid_i = scope.vpid.value_or(0);
  rtl_.invalidation_keep_vpid_zero_i = scope.keep_vpid_zero;
  rtl_.invalidation_pcid_valid_i = scope.pcid.has_value();
  rtl_.invalidation_pcid_i = scope.pcid.value_or(0);
  rtl_.invalidation_ept_root_valid_i = scope.ept_root.has_value();
  rtl_.invalidation_ept_root_i = scope.ept_root.value_or(0) >> 12;
  // Of structure caches an address narrows nothing unless the scope says so.
  rtl_.invalidation_linear_valid_i = scope.linear && scope.structures_of_address_alone;
  rtl_.invalidation_linear_i = scope.linear.value_or(0) & ((1ull << 57) - 1);
  rtl_.invalidation_gpa_valid_i = scope.gpa.has_value();
  rtl_.invalidation_gpa_i = scope.gpa.value_or(0) & ((1ull << 52) - 1);
}

template <class Rtl>
void PinsOf<Rtl>::strobe(const mmu::WalkerInputs& inputs) {
  rtl_.answer_strobe_i = inputs.answer.has_value();
  if (inputs.answer) {
    rtl_.answer_id_i = inputs.answer->id;
    rtl_.answer_value_i = inputs.answer->value;
  }
  rtl_.news_strobe_i = inputs.request || inputs.invalidation ||
                       (rtl_.disabled_combined_i != 0) != inputs.disabled.combined ||
                       (rtl_.disabled_ept_i != 0) != inputs.disabled.ept ||
                       (rtl_.disabled_nested_tlb_i != 0) != inputs.disabled.nested_tlb;
  rtl_.request_valid_i = inputs.request.has_value();
  if (inputs.request) drive(*inputs.request);
  rtl_.invalidation_valid_i = inputs.invalidation.has_value();
  if (inputs.invalidation) drive(*inputs.invalidation);
  rtl_.disabled_combined_i = inputs.disabled.combined;
  rtl_.disabled_ept_i = inputs.disabled.ept;
  rtl_.disabled_nested_tlb_i = inputs.disabled.nested_tlb;
}

template <class Rtl>
mmu::Outcome PinsOf<Rtl>::outcome() const {
  mmu::Outcome outcome;
  outcome.kind = static_cast<OutcomeKind>(rtl_.response_outcome_o);
  outcome.reason = static_cast<Reason>(rtl_.response_reason_o);
  outcome.gpa = rtl_.response_gpa_o;
  outcome.hpa = rtl_.response_hpa_o;
  if (outcome.kind == OutcomeKind::kTranslated) {
    outcome.guest_page_size = page_of(rtl_.response_guest_page_o);
    outcome.ept_page_size = page_of(rtl_.response_ept_page_o);
    outcome.page_size = *page_of(rtl_.response_page_o);
    outcome.memory_type = static_cast<arch::MemoryType>(rtl_.response_memory_type_o);
    outcome.guest_rights = {.write = rtl_.response_guest_write_o != 0,
                            .user = rtl_.response_guest_user_o != 0,
                            .execute = rtl_.response_guest_execute_o != 0};
    outcome.ept_rights = {
        .read = rtl_.response_ept_read_o != 0,
        .write = rtl_.response_ept_write_o != 0,
        .execute = rtl_.response_ept_execute_o != 0,
        .user_execute = rtl_.response_ept_user_execute_o != 0,
        .paging_write = rtl_.response_ept_paging_write_o != 0,
        .supervisor_shadow_stack = rtl_.response_ept_supervisor_shadow_stack_o != 0};
    outcome.shadow_stack = rtl_.response_shadow_stack_o != 0;
    outcome.dirty = rtl_.response_dirty_o != 0;
    outcome.global = rtl_.response_global_o != 0;
    outcome.protection_key = rtl_.response_protection_key_o;
  }
  outcome.qualification = rtl_.response_qualification_o;
  outcome.error_code = rtl_.response_error_code_o;
  outcome.linear_valid = rtl_.response_linear_valid_o != 0;
  outcome.place = {.guest_level = rtl_.response_guest_level_o,
                   .ept_level = rtl_.response_ept_level_o,
                   .hlat = rtl_.response_hlat_o != 0,
                   .spp_level = rtl_.response_sub_page_level_o};
  outcome.entry_address = rtl_.response_entry_address_o;
  outcome.entry = rtl_.response_entry_o;
  return outcome;
}

template <class Rtl>
void PinsOf<Rtl>::sample(mmu::WalkerOutputs& outputs) const {
  outputs.request_ready = rtl_.request_ready_o != 0;
  outputs.memory.reset();
  if (rtl_.memory_valid_o != 0) {
    outputs.memory = mmu::MemoryRequest{.id = rtl_.memory_id_o,
                                        .kind = kind_of(rtl_.memory_kind_o),
                                        .size = rtl_.memory_size_o,
                                        .address = rtl_.memory_address_o,
                                        .expected = rtl_.memory_expected_o,
                                        .desired = rtl_.memory_desired_o,
                                        .place = {.guest_level = rtl_.memory_guest_level_o,
                                                  .ept_level = rtl_.memory_ept_level_o,
                                                  .hlat = rtl_.memory_hlat_o != 0,
                                                  .spp_level = rtl_.memory_sub_page_level_o}};
  }
  outputs.response.reset();
  if (rtl_.response_valid_o != 0) {
    outputs.response = mmu::WalkResponse{.tag = rtl_.response_tag_o,
                                         .outcome = outcome(),
                                         .references = rtl_.response_references_o,
                                         .cycles = rtl_.response_cycles_o,
                                         .pml_index = rtl_.response_pml_index_o};
  }
  outputs.lookup.reset();
  if (rtl_.lookup_valid_o != 0) {
    outputs.lookup = mmu::CacheLookup{.id = rtl_.lookup_id_o,
                                      .combined = rtl_.lookup_combined_o != 0,
                                      .combined_level = rtl_.lookup_combined_level_o,
                                      .nested_level = rtl_.lookup_nested_level_o,
                                      .ept_asked = rtl_.lookup_ept_asked_o != 0,
                                      .ept_level = rtl_.lookup_ept_level_o};
  }
}

/// Of a walker that was Verilated with tracing, and with counters of its lines.
template <class Rtl>
class RecordedPinsOf final : public PinsOf<Rtl> {
 public:
  explicit RecordedPinsOf(const Waveform& waveform) : waveform_(waveform) {
    if (waveform.file.empty()) return;
    constexpr int kAllLevels = 99;
    this->context_.traceEverOn(true);
    this->rtl_.trace(&fst_, kAllLevels);
    fst_.open(waveform.file.c_str());
    if (!fst_.isOpen()) throw std::runtime_error(waveform.file + " can't be written");
  }

  void reset() override {
    // Resets one after another are one, and the first takes no time.
    if (clocked_) begin_ = cycle_ + 2;
    clocked_ = false;
    cycle_ = begin_ == 0 ? mmu::kNever : begin_ - 1;
    PinsOf<Rtl>::reset();
  }
  void begin(const mmu::WalkerInputs& inputs) override {
    clocked_ = true;
    cycle_ = begin_ + inputs.cycle;
    // Cycles without a clock change nothing: what holds now did at the begin and the end, too.
    if (cycle_ >= waveform_.first && !recorded_) dump(waveform_.first, 0);
    if (cycle_ > waveform_.last) dump(waveform_.last, kPeriod);
    PinsOf<Rtl>::begin(inputs);
  }
  void end_and_begin(const mmu::WalkerInputs& inputs) override {
    this->end();
    begin(inputs);
  }
  bool end_waveform() override {
    fst_.close();
    return recorded_;
  }
  bool write_lines(const std::string& file) override {
    this->context_.coveragep()->write(file.c_str());
    return true;
  }

 private:
  static constexpr std::uint64_t kPeriod = 10;

  void settle(const mmu::WalkerInputs& inputs) override {
    PinsOf<Rtl>::settle(inputs);
    dump(cycle_, kPeriod / 2);
  }
  void rise() override {
    PinsOf<Rtl>::rise();
    dump(cycle_, kPeriod);
  }
  /// What holds at a time of a cycle, unless it is out of range or that time has its values.
  void dump(mmu::Cycle cycle, std::uint64_t within) {
    const std::uint64_t time = cycle * kPeriod + within;
    if (cycle < waveform_.first || cycle > waveform_.last || cycle == mmu::kNever) return;
    if (!fst_.isOpen() || (recorded_ && time <= dumped_)) return;
    fst_.dump(time);
    dumped_ = time;
    recorded_ = true;
  }

  Waveform waveform_;
  VerilatedFstC fst_;
  mmu::Cycle begin_ = 0;  ///< of the waveform, in which the walker's time is 0
  mmu::Cycle cycle_ = 0;  ///< of the waveform, under way
  bool clocked_ = false;  ///< since the last reset
  std::uint64_t dumped_ = 0;
  bool recorded_ = false;
};

template <class Rtl>
std::unique_ptr<WalkerPins> make_pins() {
  return std::make_unique<PinsOf<Rtl>>();
}
template <class Rtl>
std::unique_ptr<WalkerPins> make_recorded_pins(const Waveform& waveform) {
  return std::make_unique<RecordedPinsOf<Rtl>>(waveform);
}

struct NamedPins {
  std::string_view name;
  std::unique_ptr<WalkerPins> (*make)();
  std::unique_ptr<WalkerPins> (*make_recorded)(const Waveform&);
};

// Printed when the build is configured: one row per Verilated configuration.
constexpr NamedPins kWalkers[] = {
#include "testbench/rtl_walker/verilated_walkers.inc"
};

const NamedPins& named(std::string_view configuration) {
  const auto* found = std::ranges::find(kWalkers, configuration, &NamedPins::name);
  if (found == std::end(kWalkers)) {
    throw std::invalid_argument("no walker has the configuration " + std::string(configuration));
  }
  return *found;
}

}  // namespace

std::unique_ptr<WalkerPins> make_walker_pins(std::string_view configuration) {
  return named(configuration).make();
}

std::unique_ptr<WalkerPins> make_walker_pins(std::string_view configuration,
                                             const Waveform& waveform) {
  return named(configuration).make_recorded(waveform);
}

}  // namespace eptsim::tb
