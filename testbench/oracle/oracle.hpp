#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

// The independent reference for one address translation under VMX with EPT. It is written like the
// manual: a walk is a recursion over levels, every access to memory happens at once and in the
// order of the rules, and nothing is cached. It includes nothing of the project, so that its
// agreement with the step machine and the RTL means something.
namespace eptsim::oracle {

// Physical memory. Addresses are multiples of 8; every read and every update of a walk passes here,
// in order.
struct Memory {
  std::function<std::uint64_t(std::uint64_t address)> read64;
  std::function<void(std::uint64_t address, std::uint64_t value)> write64;
};

// What the processor can do (CPUID and IA32_VMX_EPT_VPID_CAP).
struct Cpu {
  unsigned maxphyaddr = 46;  // bits, 32 to 52
  bool execute_only = true;
  bool page_1g = true;        // of the EPT
  bool page_2m = true;        // of the EPT
  bool guest_page_1g = true;  // CPUID.80000001H:EDX.Page1GB
  bool advanced_exit_info = false;
  bool supervisor_shadow_stack = false;
};

// VM-execution controls.
struct Controls {
  bool mode_based_execute = false;
  bool sub_page_permission = false;
  bool ept_violation_ve = false;
  bool pml = false;
  bool paging_write = false;
  bool guest_paging_verification = false;
  bool hlat = false;
};

// Everything but memory that a translation depends on.
struct State {
  std::optional<std::uint64_t> eptp;  // absent: EPT off
  std::uint64_t cr0 = 0;
  std::uint64_t cr3 = 0;
  std::uint64_t cr4 = 0;
  std::uint64_t efer = 0;
  std::uint32_t pkru = 0;
  std::uint32_t pkrs = 0;
  std::uint64_t pat = 0x0007040600070406;
  bool rflags_ac = false;
  std::array<std::uint64_t, 4> pdptes{};  // used by PAE paging with EPT only
  std::uint16_t vpid = 1;
  Cpu cpu;
  Controls controls;
  std::uint64_t sppt_pointer = 0;
  std::uint64_t pml_address = 0;
  std::uint16_t pml_index = 511;
  std::uint64_t ve_info_address = 0;
  std::uint16_t eptp_index = 0;
  std::uint64_t hlat_pointer = 0;
  std::uint16_t hlat_prefix_size = 0;
};

enum class Kind { kRead, kWrite, kFetch, kReadModifyWrite, kShadowStackRead, kShadowStackWrite };

struct Access {
  std::uint64_t address = 0;
  bool linear = true;  // false: a guest-physical address
  Kind kind = Kind::kRead;
  bool user = false;      // CPL 3
  bool implicit = false;  // an implicit supervisor access, whatever `user` says
  unsigned size = 1;      // bytes, 1 to 64
};

enum class Outcome {
  kTranslated,
  kPageFault,
  kEptViolation,
  kEptMisconfig,
  kPmlFull,
  kSppEvent,
  kVirtualizationException,
  kGeneralProtection
};

// The architecture's codes.
enum class MemoryType { kUc = 0, kWc = 1, kWt = 4, kWp = 5, kWb = 6 };

enum class Structure { kGuest, kHlat, kEpt, kSpp };

// One read of a paging-structure entry. A table of 4-KByte pages is level 1.
struct Reference {
  Structure structure = Structure::kGuest;
  unsigned level = 0;
  std::uint64_t address = 0;  // host-physical
  std::uint64_t value = 0;    // as read
  bool operator==(const Reference&) const = default;
};

struct Write {
  std::uint64_t address = 0;  // host-physical
  unsigned size = 0;          // 2, 4 or 8 bytes
  std::uint64_t value = 0;
  bool operator==(const Write&) const = default;
};

// How the translation for one page ended. A member that the outcome doesn't define is 0; a size of
// 0 means that there is no such page.
struct Page {
  Outcome outcome = Outcome::kTranslated;
  std::uint64_t gpa = 0;
  std::uint64_t hpa = 0;
  std::uint64_t guest_page_size = 0;
  std::uint64_t ept_page_size = 0;
  std::uint64_t page_size = 0;  // what one TLB entry covers
  MemoryType memory_type = MemoryType::kUc;
  std::uint32_t error_code = 0;
  std::uint64_t qualification = 0;
  bool gva_valid = false;
  std::uint64_t gva = 0;
  bool operator==(const Page&) const = default;
};

// The first page that fails, or else the lower page; references and writes of both pages follow one
// another.
struct Result : Page {
  std::optional<Page> second;  // the upper page, where both were translated
  std::vector<Reference> references;
  std::vector<Write> writes;
  std::uint16_t pml_index = 0;  // the VMCS field afterwards
  bool operator==(const Result&) const = default;
};

// What makes this request impossible to answer (a shadow-stack access without CR4.CET, an address
// out of range), if anything does.
std::optional<std::string> unsupported(const State& state, const Access& access);

// The rule of VM entry that the state violates, if any (SDM 29.2, 29.3). The PDPTEs that PAE paging
// without EPT loads from memory can only be checked where memory is given.
std::optional<std::string> refused(const State& state);
std::optional<std::string> refused(const State& state, const Memory& memory);

// Translates the access. The state must not be refused nor the access unsupported.
Result translate(const State& state, const Access& access, const Memory& memory);

}  // namespace eptsim::oracle
