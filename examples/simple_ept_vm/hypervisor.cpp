#include "examples/simple_ept_vm/hypervisor.hpp"

#include <stdexcept>
#include <utility>

#include "ept/arch/fault.hpp"

namespace eptsim::examples {

using arch::ExitReason;
using arch::Gpa;
using arch::Hpa;
namespace vmcs = arch::vmcs;
namespace entry = arch::entry_controls;
namespace exit = arch::exit_controls;
namespace primary = arch::primary_controls;
namespace secondary = arch::secondary_controls;

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint16_t kLogEntries = 512;
constexpr ept::GpaRange kGuestMemory{Gpa(0), Gpa(Hypervisor::kGuestBytes)};

/// A core of usual size.
mmu::CacheSettings caches() {
  mmu::CacheSettings settings;
  settings.l1i = {.unified = {.entries = 64, .ways = 4}};
  settings.l1d = {.unified = {.entries = 64, .ways = 4}};
  settings.l2 = {.unified = {.entries = 1024, .ways = 8}};
  settings.combined[2] = settings.ept[2] = {.entries = 32, .ways = 4};
  settings.combined[3] = settings.ept[3] = {.entries = 4, .ways = 4};
  settings.combined[4] = settings.ept[4] = {.entries = 2, .ways = 2};
  settings.nested_tlb = {.entries = 64, .ways = 4};
  return settings;
}

template <class Value, class Error>
Value expect(tl::expected<Value, Error> result, const char* what) {
  if (!result) throw std::runtime_error(what);
  return std::move(*result);
}

}  // namespace

Hypervisor::Hypervisor(DirtyLogging logging, std::uint64_t frames)
    : frames_(Hpa(0x10'0000), Hpa(0x10'0000 + kPage * frames)),
      table_(expect(ept::ExtendedPageTable::create(memory_, frames_, {.accessed_dirty = true}),
                    "no frame for the EPT's root")),
      processor_({}, caches(), memory_),
      logging_(logging),
      invept_descriptor_(frame()),
      log_(frame()) {
  const Hpa device = frame();
  memory_.write64(device, 0x600d);  // what the guest reads there
  finish(expect(table_.map(Gpa(kDevice), device, ept::kReadOnly), "no frame for the device"));
  set_up();
}

Hpa Hypervisor::frame() {
  const auto frame = frames_.allocate();
  if (!frame) throw std::runtime_error("out of memory");
  return *frame;
}

std::uint64_t Hypervisor::read(vmcs::Field field) {
  return processor_.vmread(field.encoding()).value;
}
void Hypervisor::write(vmcs::Field field, std::uint64_t value) {
  if (!processor_.vmwrite(field.encoding(), value)) throw std::runtime_error("VMWRITE failed");
}
/// Control fields take what is wanted, with what this processor insists on.
void Hypervisor::write_controls(vmcs::Field field, std::uint64_t wanted) {
  write(field, mmu::allowed_settings(processor_.capabilities(), field).adjust(wanted));
}

/// An unrestricted guest in real mode, under EPT, with a VPID; PML if that is how to log.
void Hypervisor::set_up() {
  processor_.vmxon();
  processor_.vmclear(vmcs_);
  processor_.vmptrld(vmcs_);

  const bool pml = logging_ == DirtyLogging::kPml;
  write_controls(vmcs::kPinControls, 0);
  write_controls(vmcs::kPrimaryControls, primary::kHltExiting.mask() | primary::kSecondary.mask());
  write_controls(vmcs::kSecondaryControls, secondary::kEpt.mask() | secondary::kVpid.mask() |
                                               secondary::kUnrestrictedGuest.mask() |
                                               secondary::kPml.set(0, pml));
  write_controls(vmcs::kExitControls, exit::kSaveEfer.mask() | exit::kLoadEfer.mask());
  write_controls(vmcs::kEntryControls, entry::kLoadEfer.mask());
  write(vmcs::kEptPointer, table_.eptp());
  write(vmcs::kVpid, 1);
  write(vmcs::kPmlAddress, log_.value());
  write(vmcs::kPmlIndex, kLogEntries - 1);

  write(vmcs::kHostCr0, processor_.registers().cr0);
  write(vmcs::kGuestRip, kEntryPoint);
  write(vmcs::kGuestRflags, arch::guest_state::kRflagsFixed.mask());
}

void Hypervisor::resume() {
  const mmu::Completion entered = launched_ ? processor_.vmresume() : processor_.vmlaunch();
  if (!entered) {
    const auto& refusal = processor_.entry_refusal();
    throw std::runtime_error("VM entry: " + (refusal ? refusal->rule : "no VMCS"));
  }
  launched_ = true;
}

bool Hypervisor::run(std::span<const Operation> program) {
  resume();
  for (const Operation& operation : program) {
    for (Next next = Next::kRetry; next == Next::kRetry;) {
      const mmu::Completion completion = execute(processor_, operation);
      if (completion) {
        if (operation.kind == Operation::Kind::kLoad) loaded_.push_back(completion.value);
        break;
      }
      if (completion.kind != mmu::Completion::Kind::kVmExit) return false;  // a fault of the guest
      const std::uint64_t rip = read(vmcs::kGuestRip);
      const Handled handled = handle(completion.exit, operation);
      exits_.push_back({completion.exit, rip, read(vmcs::kExitQualification),
                        read(vmcs::kGuestPhysicalAddress), handled.text});
      next = handled.next;
      if (next == Next::kStop) return false;
      if (next != Next::kRetry) write(vmcs::kGuestRip, rip + read(vmcs::kExitInstructionLength));
      if (next == Next::kIdle) return true;
      resume();
    }
  }
  return false;  // it never became idle
}

/// A real hypervisor decodes the instruction at RIP; ours may look at the operation.
Hypervisor::Handled Hypervisor::handle(ExitReason reason, const Operation& operation) {
  switch (reason) {
    case ExitReason::kCpuid: return {Next::kStepOver, "hides what the guest should not see"};
    case ExitReason::kWrmsr:
      write(vmcs::kGuestEfer, operation.value);
      return {Next::kStepOver, "sets the guest's EFER"};
    case ExitReason::kEptViolation:
      return handle_violation(Gpa(read(vmcs::kGuestPhysicalAddress)), operation);
    case ExitReason::kPmlFull: drain_log(); return {Next::kRetry, "empties the log"};
    case ExitReason::kHlt: return {Next::kIdle, "lets the guest idle"};
    default: return {Next::kStop, "stops the guest: not expected"};
  }
}

Hypervisor::Handled Hypervisor::handle_violation(Gpa gpa, const Operation& operation) {
  const Gpa page = gpa.align_down(kPage);
  const std::uint64_t qualification = read(vmcs::kExitQualification);
  const bool is_store = arch::qualification::kWrite.any(qualification) &&
                        arch::qualification::kFinal.any(qualification);
  if (page == Gpa(kDevice) && is_store) {
    device_log_.push_back(operation.value);
    return {Next::kStepOver, "gives the value to the device"};
  }
  if (gpa >= kGuestMemory.end) return {Next::kStop, "stops the guest: no memory there"};
  if (logging_ == DirtyLogging::kWriteProtection && table_.walk(page)) {
    dirty_.insert(page);
    finish(expect(table_.protect(page, ept::kAllAccess), "no such page"));
    return {Next::kRetry, "notes the page, lets writes through"};
  }
  const auto fresh = frames_.allocate();
  if (!fresh) return {Next::kStop, "stops the guest: out of memory"};
  auto pending = table_.map(page, *fresh, ept::kAllAccess);
  if (!pending) return {Next::kStop, "stops the guest: out of memory"};
  finish(std::move(*pending));
  return {Next::kRetry, "maps a page"};
}

/// The processor counts the index down: what lies above it is the log.
void Hypervisor::drain_log() {
  const auto index = static_cast<std::uint16_t>(read(vmcs::kPmlIndex) + 1);
  for (std::uint64_t i = index; i < kLogEntries; ++i) {
    dirty_.insert(Gpa(memory_.read64(log_ + 8 * i)));
  }
  write(vmcs::kPmlIndex, kLogEntries - 1);
}

/// What a change of the tables owes.
void Hypervisor::finish(ept::PendingInvalidation pending) {
  if (pending.needs_invept()) {
    memory_.write64(invept_descriptor_, table_.eptp());
    const auto type = static_cast<std::uint64_t>(mmu::InveptType::kSingle);
    if (!processor_.invept(type, invept_descriptor_.value())) {
      throw std::runtime_error("INVEPT failed");
    }
    ++invepts_;
  }
  table_.complete(std::move(pending));
}

void Hypervisor::start_logging() {
  dirty_.clear();
  if (logging_ == DirtyLogging::kPml) {
    write(vmcs::kPmlIndex, kLogEntries - 1);
    finish(std::move(table_.clear_flags(kGuestMemory, {.accessed = false}).pending));
  } else if (logging_ == DirtyLogging::kWriteProtection) {
    finish(expect(table_.protect_range(kGuestMemory, ept::kReadExecute), "no such page"));
  }
}

std::set<Gpa> Hypervisor::stop_logging() {
  if (logging_ == DirtyLogging::kPml) drain_log();
  if (logging_ == DirtyLogging::kWriteProtection) {
    finish(expect(table_.protect_range(kGuestMemory, ept::kAllAccess), "no such page"));
  }
  return std::exchange(dirty_, {});
}

}  // namespace eptsim::examples
