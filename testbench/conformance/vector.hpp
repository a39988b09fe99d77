#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ept/arch/memory_type.hpp"
#include "ept/arch/page_size.hpp"
#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/translate.hpp"
#include "testbench/stimulus/test_case.hpp"

/// Single translations with what the manual says of each, written down as data. What is expected
/// was derived by hand from the rules; no walker had a part in it.
namespace eptsim::tb::conformance {

/// What must hold of a word of memory after the access.
struct MemoryFact {
  std::string what;           ///< "EPT L1 of the page"
  std::uint64_t address = 0;  ///< a multiple of 8
  std::uint64_t mask = 0;     ///< the bits that are judged
  std::uint64_t value = 0;    ///< of those bits
};

/// What the manual says of an access. What it leaves open, or what a vector isn't about, is absent.
struct Expected {
  bool entered = true;  ///< VM entry accepts the context; if not, nothing else counts
  mmu::OutcomeKind kind = mmu::OutcomeKind::kTranslated;

  std::uint64_t qualification = 0;  ///< of VM exits and virtualization exceptions
  std::uint32_t error_code = 0;     ///< of page faults
  std::optional<std::uint64_t> gpa = {};
  std::optional<std::uint64_t> hpa = {};
  std::optional<arch::MemoryType> memory_type = {};
  std::optional<arch::PageSize> page_size = {};  ///< what one TLB entry may cover
  std::optional<std::uint64_t> references = {};
  std::optional<std::uint16_t> pml_index = {};
  std::optional<std::vector<mmu::MemoryWrite>> writes = {};  ///< all, in order
  std::vector<MemoryFact> memory = {};
};

struct Vector {
  std::string name;
  mmu::Context context;
  std::vector<Word> image;  ///< no address twice; the rest of memory is 0
  mmu::Request request;
  Expected expected;
};

/// Where a family's vectors go.
using Sink = std::function<void(const Vector&)>;

/// Vectors of one subject.
struct Family {
  std::string_view name;
  std::string_view subject;  ///< one line
  void (*generate)(const Sink&);
};

// Bits of an exit qualification, short for tables.
inline constexpr std::uint64_t kRd = 0x1, kWr = 0x2, kFetch = 0x4;
inline constexpr std::uint64_t kPr = 0x8, kPw = 0x10, kPx = 0x20, kPu = 0x40;
inline constexpr std::uint64_t kLinear = 0x80, kFinal = 0x100;
inline constexpr std::uint64_t kUserAddress = 0x200, kGuestWritable = 0x400, kGuestNx = 0x800;
inline constexpr std::uint64_t kShadowStack = 0x2000, kShadowStackPage = 0x4000;
inline constexpr std::uint64_t kVerification = 0x8000;
/// Of a violation at the page that a linear address leads to.
inline constexpr std::uint64_t kAtPage = kLinear | kFinal;

Expected translated();
Expected translated(std::uint64_t gpa, std::uint64_t hpa);
Expected violation(std::uint64_t qualification, std::uint64_t gpa);
Expected misconfiguration(std::uint64_t gpa);
Expected page_fault(std::uint32_t error_code);
Expected refused_by_vm_entry();
Expected general_protection();

/// The accesses of the tables: load, store, call in supervisor mode, call in user mode. Calls go to
/// the code at offset 8 of the page.
enum class Op : std::uint8_t { kR, kW, kX, kXu };
inline constexpr Op kOps[] = {Op::kR, Op::kW, Op::kX, Op::kXu};
std::string_view name(Op op);
mmu::Request request_of(Op op, std::uint64_t linear);
constexpr std::uint64_t offset_of(Op op) { return op == Op::kX || op == Op::kXu ? 8 : 0; }

/// "r-x", "--u", "rwxu" as the bits of an EPT entry: 0, 1, 2 and 10. "---" is 0.
std::uint64_t ept_rights(std::string_view letters);

}  // namespace eptsim::tb::conformance
