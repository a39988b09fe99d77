#include "testbench/conformance/guest_processor.hpp"
#include "testbench/conformance/procedure.hpp"
#include "testbench/scoreboard/difference.hpp"

// VM function 0: which EPTPs of the list are taken, and what the switch does.
namespace eptsim::tb::conformance {
namespace {

namespace vmcs = arch::vmcs;
namespace secondary = arch::secondary_controls;

constexpr std::uint64_t kList = 0x34'0000'0000;
constexpr std::uint64_t kRootB = 0x35'0000'0000;
constexpr std::uint64_t kValueA = 0xaaaa, kValueB = 0xbbbb;

/// A guest whose page holds one value through EPT A and another through EPT B, which is like A but
/// for that page's tables.
struct Guest {
  explicit Guest(const mmu::VmxCapabilities& capabilities = {}, bool vpid = true)
      : processor(state(), capabilities) {
    processor.set_secondary(secondary::kVmFunctions, true);
    processor.set_secondary(secondary::kVpid, vpid);
    processor.vmcs.set(vmcs::kVmFunctionControls, 1);
    processor.vmcs.set(vmcs::kEptpListAddress, kList);
  }

  static MachineState state() {
    MachineState a;
    const std::uint64_t root = a.context.eptp & ~std::uint64_t{0xfff};
    const std::uint64_t shared = a.table_ept_entry(1, 4);
    a.image.put(kRootB + (shared - root), a.image.at(shared));
    // One page behind three tables.
    std::uint64_t entry = kRootB + (a.ept_entry(4) - root);
    for (unsigned level = 3; level >= 1; --level) {
      const std::uint64_t table = kRootB + 0x1000 * level;
      a.image.put(entry, table | 7);
      entry = table + (a.ept_entry(level) & 0xfff);
    }
    a.image.put(entry, (a.hpa() + 0x1000) | 0x37);
    a.image.put(a.hpa(), kValueA);
    a.image.put(a.hpa() + 0x1000, kValueB);
    return a;
  }

  /// "entered", or how VM entry ended.
  std::string enter() {
    const mmu::Completion completion = processor.cpu.vmlaunch();
    return completion ? "entered" : text_of(completion);
  }
  void list(std::uint32_t index, std::uint64_t eptp) {
    processor.memory.write64(arch::Hpa(kList + 8 * std::uint64_t{index}), eptp);
  }
  std::string load() {
    const mmu::Completion completion = processor.cpu.access({.address = state().linear()});
    return completion ? hex(completion.value) : text_of(completion);
  }

  GuestProcessor processor;
};

constexpr std::uint64_t kEptpB = kRootB | 0x1e;

/// The EPTP of the list, and whether it is one.
void entries(const CheckSink& sink) {
  const auto check = [&](const std::string& text, std::uint64_t eptp, bool good,
                         const mmu::VmxCapabilities& capabilities = {}) {
    Guest guest(capabilities);
    guest.list(3, eptp);
    const std::uint64_t before = guest.processor.vmcs.get(vmcs::kEptPointer);
    sink({text + ", VM entry", "entered", guest.enter()});
    sink({text, good ? "done" : "VM exit 59", text_of(guest.processor.cpu.vmfunc(0, 3))});
    sink({text + ", EPTP field", hex(good ? eptp : before),
          hex(guest.processor.vmcs.get(vmcs::kEptPointer))});
    if (!good) return;
    sink({text + ", EPTP index", "3", std::to_string(guest.processor.vmcs.get(vmcs::kEptpIndex))});
    sink({text + ", load", hex(kValueB), guest.load()});
  };
  check("EPTP", kEptpB, true);
  check("EPTP with EPT A/D", kEptpB | 0x40, true);
  for (unsigned type = 0; type < 8; ++type) {
    check("EPTP of memory type " + std::to_string(type), kRootB | 0x18 | type,
          type == 0 || type == 6);
  }
  // A walk of 5 levels is valid, but not that of the current EPT.
  for (unsigned length = 0; length < 8; ++length) {
    check("EPTP of walk length field " + std::to_string(length),
          kRootB | 6 | std::uint64_t{length} << 3, length == 3);
  }
  for (const bool capable : {false, true}) {
    mmu::VmxCapabilities capabilities;
    capabilities.cpu.supervisor_shadow_stack = capable;
    check(std::string("EPTP with bit 7 ") + (capable ? "and" : "without") + " the capability",
          kEptpB | 0x80, capable, capabilities);
  }
  for (unsigned bit = 8; bit <= 11; ++bit) {
    check("EPTP with bit " + std::to_string(bit), kEptpB | std::uint64_t{1} << bit, false);
  }
  for (unsigned bit = 46; bit < 64; ++bit) {
    check("EPTP with bit " + std::to_string(bit), kEptpB | std::uint64_t{1} << bit, false);
  }
  check("EPTP of 0", 0, false);
}

/// EAX and ECX, and the controls.
void operands(const CheckSink& sink) {
  const auto ends = [&](const std::string& text, Guest& guest, std::uint32_t eax, std::uint32_t ecx,
                        const char* expected) {
    guest.list(ecx % 512, kEptpB);
    sink({text + ", VM entry", "entered", guest.enter()});
    sink({text, expected, text_of(guest.processor.cpu.vmfunc(eax, ecx))});
  };
  for (const std::uint32_t ecx : {0U, 1U, 510U, 511U}) {
    Guest guest;
    ends("ECX " + std::to_string(ecx), guest, 0, ecx, "done");
    sink({"ECX " + std::to_string(ecx) + ", EPTP index", std::to_string(ecx),
          std::to_string(guest.processor.vmcs.get(vmcs::kEptpIndex))});
  }
  for (const std::uint32_t ecx : {512U, 513U, 0x10000U, 0x10003U, 0xffffffffU}) {
    Guest guest;
    ends("ECX " + std::to_string(ecx), guest, 0, ecx, "VM exit 59");
  }
  for (std::uint32_t eax = 1; eax < 64; ++eax) {
    Guest guest;
    ends("EAX " + std::to_string(eax), guest, eax, 0, "VM exit 59");
  }
  for (const std::uint32_t eax : {64U, 65U, 0x80000000U, 0xffffffffU}) {
    Guest guest;
    ends("EAX " + std::to_string(eax), guest, eax, 0, "#UD");
  }
  {
    Guest guest;
    guest.processor.vmcs.set(vmcs::kVmFunctionControls, 0);
    ends("function not enabled", guest, 0, 0, "VM exit 59");
  }
  {
    Guest guest;
    guest.processor.set_secondary(secondary::kVmFunctions, false);
    ends("VM functions off", guest, 0, 0, "#UD");
  }
  {
    Guest guest;
    sink({"VMX root operation", "#UD", text_of(guest.processor.cpu.vmfunc(0, 0))});
  }
}

/// With a VPID nothing is forgotten: back in EPT A its translation is there. Without one the
/// combined mappings go.
void caches(const CheckSink& sink) {
  for (const bool vpid : {false, true}) {
    Guest guest({}, vpid);
    guest.list(0, guest.processor.vmcs.get(vmcs::kEptPointer));
    guest.list(1, kEptpB);
    const std::string text = vpid ? "with VPID" : "without VPID";
    sink({text + ", VM entry", "entered", guest.enter()});
    sink({text + ", load by EPT A", hex(kValueA), guest.load()});
    sink({text + ", switch", "done", text_of(guest.processor.cpu.vmfunc(0, 1))});
    sink({text + ", load by EPT B", hex(kValueB), guest.load()});
    sink({text + ", switch back", "done", text_of(guest.processor.cpu.vmfunc(0, 0))});
    const std::uint64_t walks = guest.processor.cpu.activity().walks;
    sink({text + ", load by EPT A again", hex(kValueA), guest.load()});
    sink({text + ", walks for it", vpid ? "0" : "1",
          std::to_string(guest.processor.cpu.activity().walks - walks)});
  }
  // What the new EPT lacks shows at the next access only.
  Guest guest;
  guest.list(1, 0x36'0000'0000 | 0x1e);
  guest.enter();
  sink({"empty EPT, switch", "done", text_of(guest.processor.cpu.vmfunc(0, 1))});
  sink({"empty EPT, load", "VM exit 48", guest.load()});
}

}  // namespace

void eptp_switching(const CheckSink& sink) {
  entries(sink);
  operands(sink);
  caches(sink);
}

}  // namespace eptsim::tb::conformance
