#include "mmu_model/tests/vmx_random_guest.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <sstream>

#include "mmu_model/word_access.hpp"

namespace eptsim::mmu::test {
namespace {

using arch::Hpa;
namespace cr0 = arch::cr0;
namespace cr4 = arch::cr4;

// Host-physical pages beside tables and data.
constexpr std::uint64_t kEptpList = 0x7000, kMsrBitmap = 0x9000;
constexpr std::uint64_t kPmlPage = 0xb000, kExceptionInformation = 0xc000;

constexpr std::uint32_t kMsrEfer = 0xc000'0080, kMsrPkrs = 0x6e1;
constexpr std::uint64_t kProtection = cr0::kPe.mask();
constexpr std::uint64_t kNoFlush = 1ull << 63;
constexpr std::uint16_t kPmlEntries = 3;  ///< few, to fill the log often

constexpr vmcs::Field kSeenFields[] = {
    vmcs::kExitReason,
    vmcs::kExitQualification,
    vmcs::kGuestPhysicalAddress,
    vmcs::kGuestLinearAddress,
    vmcs::kExitInterruptionInformation,
    vmcs::kExitInterruptionErrorCode,
    vmcs::kExitInstructionLength,
    vmcs::kPmlIndex,
    vmcs::kEptPointer,
    vmcs::kEptpIndex,
};

/// What software sees of an operation's end, in this order.
constexpr const char* kSeenNames[] = {
    "kind", "value", "vector",      "error code", "CR2",       "exit",          "CR0",
    "CR3",  "CR4",   "RIP",         "RFLAGS",     "reason",    "qualification", "GPA",
    "GLA",  "event", "event error", "length",     "PML index", "EPTP",          "EPTP index"};

}  // namespace

RandomGuest::Seen RandomGuest::look(const Side& side, const Completion& completion) {
  const Registers& registers = side.cpu.registers();
  Seen seen = {static_cast<std::uint64_t>(completion.kind),
               completion.value,
               static_cast<std::uint64_t>(completion.fault.vector),
               completion.fault.error_code.value_or(0),
               registers.cr2,
               static_cast<std::uint64_t>(completion.exit),
               registers.cr0,
               registers.cr3,
               registers.cr4,
               registers.rip,
               registers.rflags};
  std::ranges::transform(kSeenFields, seen.end() - std::size(kSeenFields),
                         [&](vmcs::Field field) { return side.vmcs.get(field); });
  return seen;
}

// --- The machine ---------------------------------------------------------------------------------

// Every feature in some seeds, and every pair of features in some.
RandomGuest::RandomGuest(std::uint64_t seed, const CacheSettings& settings)
    : seed_(seed),
      random_(seed),
      features_{.globals = random_.one_in(2), .ept_levels = random_.one_in(3) ? 5u : 4u},
      vpid_(!random_.one_in(3)),
      mode_based_execute_(random_.one_in(2)),
      pml_(random_.one_in(2)),
      virtualization_exceptions_(random_.one_in(2)),
      hlat_(random_.one_in(3)),
      accessed_dirty_{!random_.one_in(3), !random_.one_in(3)},
      capabilities_{.cpu = {.advanced_exit_info = random_.one_in(2)}},
      cached_(capabilities_, settings),
      uncached_(capabilities_, {}) {
  write_guest_tables(cached_.memory, features_, random_);
  for (unsigned ept = 0; ept < 2; ++ept) cached_.memory.put(kEptpList + 8 * ept, eptp_of(ept));
  uncached_.memory.words = cached_.memory.words;
  const std::uint16_t prefix = random_.one_in(2) ? 0 : 1;
  each([&](Side& side) {
    write_vmcs(side.vmcs);
    side.vmcs.set(vmcs::kHlatPrefixSize, prefix);
    side.cpu.vmxon();
    side.cpu.vmclear(side.vmcs);
    side.cpu.vmptrld(side.vmcs);
  });
  execute("VMLAUNCH", [](Side& side) { return side.cpu.vmlaunch(); });
}

void RandomGuest::write_vmcs(Vmcs& guest) const {
  const auto controls = [&](vmcs::Field field, std::uint64_t wanted) {
    guest.set(field, allowed_settings(capabilities_, field).adjust(wanted));
  };
  const auto if_on = [](bool on, BitField control) { return on ? control.mask() : 0; };
  controls(vmcs::kPinControls, 0);
  controls(vmcs::kPrimaryControls, primary::kSecondary.mask() | primary::kMsrBitmaps.mask() |
                                       if_on(hlat_, primary::kTertiary));
  controls(vmcs::kSecondaryControls,
           secondary::kEpt.mask() | secondary::kUnrestrictedGuest.mask() |
               secondary::kVmFunctions.mask() | secondary::kInvpcid.mask() |
               if_on(vpid_, secondary::kVpid) |
               if_on(mode_based_execute_, secondary::kModeBasedExecute) |
               if_on(pml_, secondary::kPml) |
               if_on(virtualization_exceptions_, secondary::kEptViolationVe));
  controls(vmcs::kTertiaryControls, tertiary::kHlat.mask());
  controls(vmcs::kExitControls, exit_control::kSaveEfer.mask() | exit_control::kLoadEfer.mask());
  controls(vmcs::kEntryControls, entry::kLoadEfer.mask());
  guest.set(vmcs::kMsrBitmapAddress, kMsrBitmap);
  guest.set(vmcs::kVmFunctionControls, arch::vm_functions::kEptpSwitching.mask());
  guest.set(vmcs::kEptpListAddress, kEptpList);
  guest.set(vmcs::kEptPointer, eptp_of(0));
  guest.set(vmcs::kPmlAddress, kPmlPage);
  guest.set(vmcs::kPmlIndex, kPmlEntries);
  guest.set(vmcs::kVeInformationAddress, kExceptionInformation);
  guest.set(vmcs::kVpid, 1);
  guest.set(vmcs::kGuestCr0, kProtection);
  guest.set(vmcs::kGuestRflags, arch::guest_state::kRflagsFixed.mask());
  guest.set(vmcs::kHostCr0, kProtection);
}

Completion RandomGuest::execute(const char* what, const Instruction& instruction) {
  if (!difference_.empty()) return {};
  const Completion got = instruction(cached_);
  const Completion expected = instruction(uncached_);
  const Seen with = look(cached_, got), without = look(uncached_, expected);
  if (with != without) {
    std::ostringstream text;
    text << "seed " << seed_ << ", " << what << " in paging mode " << static_cast<int>(mode_)
         << ", process " << static_cast<int>(root_) << ", VPID " << vpid() << std::hex;
    for (std::size_t i = 0; i < with.size(); ++i) {
      text << "\n  " << kSeenNames[i] << ": " << with[i];
      if (with[i] != without[i]) text << ", but without caches " << without[i];
    }
    difference_ = text.str();
  }
  return got;
}

Completion RandomGuest::both(const char* what, const Instruction& instruction) {
  const Completion completion = execute(what, instruction);
  if (completion.kind == Completion::Kind::kVmExit) {
    serve(completion);
    resume();
  }
  return completion;
}

void RandomGuest::in_hypervisor(const std::function<void()>& work) {
  execute("CPUID", [](Side& side) { return side.cpu.cpuid(); });
  work();
  resume();
}

void RandomGuest::resume() {
  const Completion entry = execute("VMRESUME", [](Side& side) { return side.cpu.vmresume(); });
  if (difference_.empty() && !entry) {
    difference_ = "seed " + std::to_string(seed_) + ", VMRESUME fails";
  }
}

void RandomGuest::serve(const Completion& exit) {
  counts_.ept_violations += exit.is_exit(ExitReason::kEptViolation);
  counts_.ept_misconfigurations += exit.is_exit(ExitReason::kEptMisconfiguration);
  if (exit.is_exit(ExitReason::kPmlFull)) {
    ++counts_.pml_full;
    each([](Side& side) { side.vmcs.set(vmcs::kPmlIndex, kPmlEntries); });
  } else if (random_.one_in(2)) {
    if (const auto change = take_changed(true)) mend_ept(*change);
  }
}

/// A store that both processors see, from elsewhere.
void RandomGuest::store(const EntryAddress& entry, std::uint64_t value) {
  each([&](Side& side) { write(side.memory, Hpa(entry.hpa), entry.size, value); });
}
std::uint64_t RandomGuest::load(const EntryAddress& entry) const {
  return read(cached_.memory, Hpa(entry.hpa), entry.size);
}

void RandomGuest::compare_memories() {
  if (!difference_.empty() || cached_.memory.words == uncached_.memory.words) return;
  std::ostringstream text;
  text << "seed " << seed_ << ", memory with caches and without:" << std::hex;
  for (const auto& [address, value] : cached_.memory.words) {
    const std::uint64_t expected = uncached_.memory.at(address);
    if (value != expected) text << ' ' << address << ": " << value << " and " << expected << ';';
  }
  difference_ = text.str();
}

RandomGuest::Counts& RandomGuest::Counts::operator+=(const Counts& other) {
  done += other.done;
  page_faults += other.page_faults;
  virtualization_exceptions += other.virtualization_exceptions;
  ept_violations += other.ept_violations;
  ept_misconfigurations += other.ept_misconfigurations;
  pml_full += other.pml_full;
  not_invalidated += other.not_invalidated;
  std::ranges::transform(accesses, other.accesses, accesses.begin(), std::plus<>());
  return *this;
}

void RandomGuest::step() {
  struct Operation {
    unsigned weight;
    void (RandomGuest::*run)();
  };
  static constexpr Operation kOperations[] = {
      {300, &RandomGuest::access},
      {4, &RandomGuest::switch_mode},
      {3, &RandomGuest::move_to_cr0},
      {8, &RandomGuest::move_to_cr3},
      {3, &RandomGuest::move_to_cr4},
      {4, &RandomGuest::switch_ept},
      {2, &RandomGuest::write_pkru},
      {2, &RandomGuest::write_pkrs},
      {2, &RandomGuest::set_alignment_check},
      {14, &RandomGuest::change_tables},
      {1, &RandomGuest::invalidate_needlessly},
      {2, &RandomGuest::call_hypervisor},
      {7, &RandomGuest::change_ept},
      {1, &RandomGuest::change_vpid},
  };
  unsigned all = 0;
  for (const Operation& operation : kOperations) all += operation.weight;
  auto chosen = random_.below(all);
  for (const Operation& operation : kOperations) {
    if (chosen < operation.weight) return (this->*operation.run)();
    chosen -= operation.weight;
  }
}

// --- Accesses and registers ----------------------------------------------------------------------

std::uint64_t RandomGuest::any_linear() {
  if (random_.one_in(64)) return kUnmapped;
  const std::uint64_t choice = random_.below(is_long(mode_) ? 8 : 5);
  // Some pages much more often than the rest, as programs do.
  if (choice < 4) return kSmall + random_.below(random_.one_in(4) ? kSmallPages : 3) * k4K;
  if (choice < 5) return kLargePage + random_.below(kLargePages) * k4K;
  return kShared + random_.below(random_.one_in(4) ? kSharedPages : 2) * k4K;
}

void RandomGuest::set_cpl(std::uint8_t cpl) {
  each([&](Side& side) { side.cpu.set_code_segment(cpl, is_long(mode_)); });
}

void RandomGuest::access() {
  static constexpr AccessKind kKinds[] = {AccessKind::kRead, AccessKind::kRead, AccessKind::kWrite,
                                          AccessKind::kFetch, AccessKind::kReadModifyWrite};
  constexpr std::uint64_t kCrosses = k4K - 4;
  MemoryAccess access{
      .kind = random_.any(kKinds), .address = any_linear(), .value = random_.next()};
  access.address += random_.one_in(16) ? kCrosses : random_.below(k4K / 8) * 8;
  access.implicit = random_.one_in(16);
  set_cpl(random_.one_in(3) ? 3 : 0);
  ++counts_.accesses[static_cast<unsigned>(mode_)];
  const Completion end = both("access", [&](Side& side) { return side.cpu.access(access); });
  set_cpl(0);
  if (end) ++counts_.done;
  if (end.is_fault(Vector::kPageFault)) {
    ++counts_.page_faults;
    if (random_.one_in(4)) {
      if (const auto change = take_changed(false)) mend_guest(*change);
    }
  } else if (end.is_fault(Vector::kVirtualization)) {
    ++counts_.virtualization_exceptions;
    store({.hpa = kExceptionInformation}, 0);
  }
}

/// Bits whose change is the guest's free choice; PSE is always on.
std::uint64_t RandomGuest::any_cr4() {
  std::uint64_t value = cr4::kPse.mask();
  for (const BitField bit : {cr4::kPge, cr4::kSmep, cr4::kSmap, cr4::kPke, cr4::kPks}) {
    if (random_.one_in(bit == cr4::kPge ? 2 : 3)) value |= bit.mask();
  }
  return value;
}

std::uint64_t RandomGuest::pcid_of(TableRoot root) const {
  return has(cr4::kPcide) && root == TableRoot::kSecond ? 1 : 0;
}
std::uint64_t RandomGuest::cr3_of(TableRoot root) const {
  return root_of(mode_, root) | pcid_of(root);
}
std::uint64_t RandomGuest::vpid() const {
  return secondary_control(cached_.vmcs, secondary::kVpid) ? cached_.vmcs.get(vmcs::kVpid) : 0;
}

std::uint64_t RandomGuest::eptp_of(unsigned ept) const {
  const unsigned levels = features_.ept_levels;
  std::uint64_t eptp = arch::eptp::kAccessedDirty.set(ept_root(ept, levels), accessed_dirty_[ept]);
  eptp = arch::eptp::kWalkLength.set(eptp, levels - 1);
  return eptp | static_cast<std::uint64_t>(arch::MemoryType::kWB);
}

void RandomGuest::switch_mode() {
  if (has(cr4::kPcide)) {
    both("MOV to CR4", [&](Side& side) {
      return side.cpu.mov_to_cr4(cr4::kPcide.set(side.cpu.registers().cr4, 0));
    });
  }
  each([](Side& side) { side.cpu.set_code_segment(0, false); });
  const std::uint64_t off = kProtection | (random_.one_in(2) ? cr0::kWp.mask() : 0);
  both("MOV to CR0", [&](Side& side) { return side.cpu.mov_to_cr0(off); });
  mode_ = PagingMode::kNone;
  root_ = TableRoot::kFirst;
  for (unsigned i = 0; i < 4; ++i) access();
  set_paging(static_cast<PagingMode>(random_.below(kPagingModes)));
}

/// From no paging.
void RandomGuest::set_paging(PagingMode mode) {
  std::uint64_t efer = random_.one_in(5) ? 0 : arch::efer::kNxe.mask();
  if (is_long(mode)) efer |= arch::efer::kLme.mask();
  both("WRMSR", [&](Side& side) { return side.cpu.wrmsr(kMsrEfer, efer); });
  std::uint64_t flags = any_cr4();
  if (mode >= PagingMode::kPae) flags |= cr4::kPae.mask();
  if (mode == PagingMode::k5Level) flags |= cr4::kLa57.mask();
  both("MOV to CR4", [&](Side& side) { return side.cpu.mov_to_cr4(flags); });
  const std::uint64_t root = root_of(mode, TableRoot::kFirst);
  both("MOV to CR3", [&](Side& side) { return side.cpu.mov_to_cr3(root); });
  if (hlat_ && is_long(mode)) {
    in_hypervisor([&] {
      each([&](Side& side) { side.vmcs.set(vmcs::kHlatPointer, root_of(mode, TableRoot::kHlat)); });
    });
  }
  access();
  if (mode == PagingMode::kNone) return;
  const std::uint64_t on =
      kProtection | cr0::kPg.mask() | (random_.one_in(2) ? 0 : cr0::kWp.mask());
  // PAE paging reads the PDPTEs first, and may meet a fault.
  if (both("MOV to CR0", [&](Side& side) { return side.cpu.mov_to_cr0(on); })) mode_ = mode;
  set_cpl(0);
  if (is_long(mode_) && random_.one_in(2)) {
    both("MOV to CR4", [&](Side& side) { return side.cpu.mov_to_cr4(flags | cr4::kPcide.mask()); });
  }
}

void RandomGuest::move_to_cr0() {
  if (mode_ == PagingMode::kNone) return;
  std::uint64_t value = kProtection | cr0::kPg.mask();
  if (random_.one_in(2)) value |= cr0::kWp.mask();
  if (random_.one_in(4)) value |= cr0::kCd.mask();
  both("MOV to CR0", [&](Side& side) { return side.cpu.mov_to_cr0(value); });
}

/// Another process, or the same one again. What a PCID has cached is kept or not.
void RandomGuest::move_to_cr3() {
  if (is_long(mode_)) root_ = random_.one_in(2) ? TableRoot::kFirst : TableRoot::kSecond;
  const bool keeps = has(cr4::kPcide) && random_.one_in(2);
  const std::uint64_t value = cr3_of(root_) | (keeps ? kNoFlush : 0);
  both("MOV to CR3", [&](Side& side) { return side.cpu.mov_to_cr3(value); });
}

void RandomGuest::move_to_cr4() {
  constexpr std::uint64_t kOfMode = cr4::kPae.mask() | cr4::kLa57.mask();
  std::uint64_t value = any_cr4() | (registers().cr4 & kOfMode);
  // Process 0 is PCID 0: what it cached without PCIDs stays good with them.
  const bool may_set = is_long(mode_) && root_ == TableRoot::kFirst;
  if (has(cr4::kPcide) ? !random_.one_in(4) : may_set && random_.one_in(2)) {
    value |= cr4::kPcide.mask();
  }
  both("MOV to CR4", [&](Side& side) { return side.cpu.mov_to_cr4(value); });
}

void RandomGuest::switch_ept() {
  const auto index = static_cast<std::uint32_t>(random_.below(2));
  both("VMFUNC", [&](Side& side) { return side.cpu.vmfunc(0, index); });
}

void RandomGuest::write_pkru() {
  const auto value = static_cast<std::uint32_t>(random_.below(0x100) & random_.next());
  both("WRPKRU", [&](Side& side) { return side.cpu.wrpkru(value); });
}

void RandomGuest::write_pkrs() {
  const std::uint64_t value = random_.below(0x100) & random_.next();
  both("WRMSR", [&](Side& side) { return side.cpu.wrmsr(kMsrPkrs, value); });
}

void RandomGuest::set_alignment_check() {
  const std::uint64_t flags = arch::guest_state::kAlignmentCheck.set(0, random_.below(2));
  each([&](Side& side) { side.cpu.set_rflags(flags); });
}

void RandomGuest::call_hypervisor() {
  in_hypervisor([] {});
}

/// Under another VPID or none. What this one cached earlier may be out of date.
void RandomGuest::change_vpid() {
  in_hypervisor([&] {
    const std::uint64_t next = random_.below(3);
    each([&](Side& side) {
      side.vmcs.set(vmcs::kSecondaryControls,
                    secondary::kVpid.set(side.vmcs.get(vmcs::kSecondaryControls), next != 0));
      if (next != 0) side.vmcs.set(vmcs::kVpid, next);
    });
    if (next != 0) invvpid(random_.one_in(2) ? InvvpidType::kSingle : InvvpidType::kAll, next, 0);
  });
}

}  // namespace eptsim::mmu::test
