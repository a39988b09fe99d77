#include "testbench/scoreboard/difference.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "testbench/oracle_adapter.hpp"

namespace eptsim::tb {

namespace {

std::string size_name(const std::optional<arch::PageSize>& size) {
  return size ? std::string(arch::name(*size)) : "none";
}

void sizes(std::string_view field, std::optional<arch::PageSize> expected,
           std::optional<arch::PageSize> got, Differences& differences) {
  if (expected != got) differences.word(field, size_name(expected), size_name(got));
}

void compare_translation(const mmu::Outcome& expected, const mmu::Outcome& got,
                         Differences& differences) {
  differences.hex("gpa", expected.gpa, got.gpa);
  differences.hex("hpa", expected.hpa, got.hpa);
  sizes("guest_page_size", expected.guest_page_size, got.guest_page_size, differences);
  sizes("ept_page_size", expected.ept_page_size, got.ept_page_size, differences);
  sizes("page_size", expected.page_size, got.page_size, differences);
  differences.named("memory_type", expected.memory_type, got.memory_type,
                    [](arch::MemoryType type) { return arch::name(type); });
}

void compare_rights(const mmu::Outcome& expected, const mmu::Outcome& got,
                    Differences& differences) {
  differences.flag("guest_rights.write", expected.guest_rights.write, got.guest_rights.write);
  differences.flag("guest_rights.user", expected.guest_rights.user, got.guest_rights.user);
  differences.flag("guest_rights.execute", expected.guest_rights.execute, got.guest_rights.execute);
  differences.flag("ept_rights.read", expected.ept_rights.read, got.ept_rights.read);
  differences.flag("ept_rights.write", expected.ept_rights.write, got.ept_rights.write);
  differences.flag("ept_rights.execute", expected.ept_rights.execute, got.ept_rights.execute);
  differences.flag("ept_rights.user_execute", expected.ept_rights.user_execute,
                   got.ept_rights.user_execute);
  differences.flag("dirty", expected.dirty, got.dirty);
  differences.flag("global", expected.global, got.global);
  differences.number("protection_key", expected.protection_key, got.protection_key);
  differences.flag("ept_rights.paging_write", expected.ept_rights.paging_write,
                   got.ept_rights.paging_write);
  differences.flag("ept_rights.supervisor_shadow_stack",
                   expected.ept_rights.supervisor_shadow_stack,
                   got.ept_rights.supervisor_shadow_stack);
  differences.flag("shadow_stack", expected.shadow_stack, got.shadow_stack);
}

/// Which entry decided, and why (docs/microarchitecture.md, "What is reported").
void compare_deciding_entry(const mmu::Outcome& expected, const mmu::Outcome& got,
                            Differences& differences) {
  differences.named("reason", expected.reason, got.reason,
                    [](mmu::Reason reason) { return name(reason); });
  if (expected.kind == mmu::OutcomeKind::kGeneralProtection) return;
  differences.place("place", expected.place, got.place);
  if (expected.reason == mmu::Reason::kEptAddressTooWide) return;
  differences.hex("entry_address", expected.entry_address, got.entry_address);
  differences.hex("entry", expected.entry, got.entry);
}

std::string indexed(std::string_view list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

std::string text_of(const mmu::Reference& reference) {
  return name(reference.place) + " " + hex(reference.address) + " = " + hex(reference.value);
}

std::string text_of(const mmu::MemoryWrite& write) {
  return hex(write.address) + " = " + hex(write.value) + ", " + std::to_string(write.size) +
         " bytes";
}

/// Compares up to the first element that differs; what comes after follows from it.
template <class Expected, class Got, class Equal>
void compare_lists(std::string_view field, const std::vector<Expected>& expected,
                   const std::vector<Got>& got, Equal equal, Differences& differences) {
  const std::size_t both = std::min(expected.size(), got.size());
  for (std::size_t i = 0; i < both; ++i) {
    if (equal(expected[i], got[i])) continue;
    differences.word(indexed(field, i), text_of(expected[i]), text_of(got[i]));
    return;
  }
  if (expected.size() == got.size()) return;
  differences.word(indexed(field, both), both < expected.size() ? text_of(expected[both]) : "none",
                   both < got.size() ? text_of(got[both]) : "none");
}

std::string_view name(mmu::StepKind kind) {
  switch (kind) {
    case mmu::StepKind::kLookup: return "lookup";
    case mmu::StepKind::kRead: return "read";
    case mmu::StepKind::kLoad: return "load";
    case mmu::StepKind::kCompareExchange: return "compare-and-swap";
    case mmu::StepKind::kWrite: return "write";
    case mmu::StepKind::kDone: return "done";
  }
  return "?";
}

void compare(const mmu::CacheLookup& expected, const mmu::CacheLookup& got,
             Differences& differences) {
  differences.number("lookup.id", expected.id, got.id);
  differences.flag("lookup.combined", expected.combined, got.combined);
  differences.number("lookup.combined_level", expected.combined_level, got.combined_level);
  differences.number("lookup.nested_level", expected.nested_level, got.nested_level);
  differences.flag("lookup.ept_asked", expected.ept_asked, got.ept_asked);
  differences.number("lookup.ept_level", expected.ept_level, got.ept_level);
}

}  // namespace

void Differences::add(std::string_view field, std::string expected, std::string got) {
  list_.push_back({std::string(field), std::move(expected), std::move(got)});
}

std::string hex(std::uint64_t value) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), value, 16).ptr;
  return "0x" + std::string(digits.begin(), end);
}

std::string name(mmu::Place place) {
  if (place.spp_level != 0) return "SPP L" + std::to_string(place.spp_level);
  const std::string guest = (place.hlat ? "HLAT L" : "guest L") + std::to_string(place.guest_level);
  if (place.is_guest_entry()) return guest;
  return "EPT L" + std::to_string(place.ept_level) + " of " +
         (place.guest_level == 0 ? "the access" : guest);
}

std::string_view name(mmu::Reason reason) {
  using mmu::Reason;
  switch (reason) {
    case Reason::kNone: return "none";
    case Reason::kNotCanonical: return "not_canonical";
    case Reason::kLass: return "lass";
    case Reason::kGuestNotPresent: return "guest_not_present";
    case Reason::kGuestReservedBit: return "guest_reserved_bit";
    case Reason::kGuestNotWritable: return "guest_not_writable";
    case Reason::kGuestSupervisorPage: return "guest_supervisor_page";
    case Reason::kGuestExecuteDisable: return "guest_execute_disable";
    case Reason::kGuestSmep: return "guest_smep";
    case Reason::kGuestSmap: return "guest_smap";
    case Reason::kGuestProtectionKey: return "guest_protection_key";
    case Reason::kGuestShadowStack: return "guest_shadow_stack";
    case Reason::kEptNotPresent: return "ept_not_present";
    case Reason::kEptAddressTooWide: return "ept_address_too_wide";
    case Reason::kEptNotReadable: return "ept_not_readable";
    case Reason::kEptNotWritable: return "ept_not_writable";
    case Reason::kEptNotExecutable: return "ept_not_executable";
    case Reason::kEptShadowStack: return "ept_shadow_stack";
    case Reason::kEptPagingVerification: return "ept_paging_verification";
    case Reason::kEptWriteWithoutRead: return "ept_write_without_read";
    case Reason::kEptExecuteOnlyUnsupported: return "ept_execute_only_unsupported";
    case Reason::kEptPagingWriteWithoutRead: return "ept_paging_write_without_read";
    case Reason::kEptReservedBit: return "ept_reserved_bit";
    case Reason::kEptMemoryType: return "ept_memory_type";
    case Reason::kPmlIndex: return "pml_index";
    case Reason::kSppMiss: return "spp_miss";
    case Reason::kSppMisconfiguration: return "spp_misconfiguration";
  }
  return "?";
}

void compare(const mmu::Outcome& expected, const mmu::Outcome& got, Differences& differences) {
  using mmu::OutcomeKind;
  differences.named("outcome", expected.kind, got.kind,
                    [](mmu::OutcomeKind kind) { return name(kind); });
  if (expected.kind == OutcomeKind::kTranslated) {
    compare_translation(expected, got, differences);
    compare_rights(expected, got, differences);
    return;
  }
  if (expected.kind == OutcomeKind::kPageFault) {
    differences.hex("error_code", expected.error_code, got.error_code);
  } else if (expected.kind != OutcomeKind::kGeneralProtection) {
    differences.hex("qualification", expected.qualification, got.qualification);
    differences.hex("gpa", expected.gpa, got.gpa);
    differences.flag("linear_valid", expected.linear_valid, got.linear_valid);
  }
  compare_deciding_entry(expected, got, differences);
}

void compare(const oracle::Result& expected, const mmu::TranslateResult& result,
             Differences& differences) {
  using mmu::OutcomeKind;
  const mmu::Outcome outcome = outcome_of(expected);
  const mmu::Outcome& got = result.outcome;
  const std::uint64_t linear = result.address;
  differences.word("outcome", name(outcome.kind), name(got.kind));
  switch (outcome.kind) {
    case OutcomeKind::kTranslated: compare_translation(outcome, got, differences); break;
    case OutcomeKind::kPageFault:
      differences.hex("error_code", outcome.error_code, got.error_code);
      differences.hex("linear address", expected.gva, linear);
      break;
    case OutcomeKind::kGeneralProtection:
      differences.hex("linear address", expected.gva, linear);
      break;
    default:
      differences.hex("qualification", outcome.qualification, got.qualification);
      differences.hex("gpa", outcome.gpa, got.gpa);
      differences.flag("linear_valid", outcome.linear_valid, got.linear_valid);
      if (outcome.linear_valid) differences.hex("linear address", expected.gva, linear);
      break;
  }
  differences.flag("second page", expected.second.has_value(), result.second.has_value());
  if (expected.second && result.second) {
    Differences upper;
    compare_translation(outcome_of(*expected.second), *result.second, upper);
    for (Difference& difference : upper.take()) {
      differences.word("second." + difference.field, difference.expected, difference.got);
    }
  }
  differences.number("pml_index", expected.pml_index, result.pml_index);
  differences.number("number of references", expected.references.size(), result.references);
}

void compare(const mmu::Recording& expected, const mmu::Recording& got, Differences& differences) {
  const auto equal = [](const auto& a, const auto& b) { return a == b; };
  compare_lists("references", expected.references, got.references, equal, differences);
  compare_lists("writes", expected.writes, got.writes, equal, differences);
}

void compare(const oracle::Result& expected, const mmu::Recording& got, Differences& differences) {
  const mmu::Recording recording = recording_of(expected);
  // The oracle doesn't tell at which guest level an EPT entry was read.
  const auto same_read = [](const mmu::Reference& a, const mmu::Reference& b) {
    mmu::Place place = b.place;
    if (place.ept_level != 0) place = {.ept_level = place.ept_level};
    return a.place == place && a.address == b.address && a.value == b.value;
  };
  const auto equal = [](const auto& a, const auto& b) { return a == b; };
  compare_lists("references", recording.references, got.references, same_read, differences);
  compare_lists("writes", recording.writes, got.writes, equal, differences);
}

void compare(const mmu::MemoryRequest& expected, const mmu::MemoryRequest& got,
             Differences& differences) {
  differences.named("memory.kind", expected.kind, got.kind,
                    [](mmu::StepKind kind) { return name(kind); });
  differences.number("memory.id", expected.id, got.id);
  differences.number("memory.size", expected.size, got.size);
  differences.hex("memory.address", expected.address, got.address);
  differences.place("memory.place", expected.place, got.place);
  if (expected.kind == mmu::StepKind::kCompareExchange) {
    differences.hex("memory.expected", expected.expected, got.expected);
  }
  if (expected.kind == mmu::StepKind::kCompareExchange || expected.kind == mmu::StepKind::kWrite) {
    differences.hex("memory.desired", expected.desired, got.desired);
  }
}

void compare(const mmu::WalkResponse& expected, const mmu::WalkResponse& got,
             Differences& differences) {
  differences.number("response.tag", expected.tag, got.tag);
  compare(expected.outcome, got.outcome, differences);
  differences.number("references", expected.references, got.references);
  differences.number("cycles", expected.cycles, got.cycles);
  differences.number("pml_index", expected.pml_index, got.pml_index);
}

void compare(const mmu::WalkerOutputs& expected, const mmu::WalkerOutputs& got,
             Differences& differences) {
  differences.flag("request_ready", expected.request_ready, got.request_ready);
  differences.flag("memory.valid", expected.memory.has_value(), got.memory.has_value());
  differences.flag("response.valid", expected.response.has_value(), got.response.has_value());
  if (expected.memory && got.memory) compare(*expected.memory, *got.memory, differences);
  if (expected.response && got.response) compare(*expected.response, *got.response, differences);
  differences.flag("lookup", expected.lookup.has_value(), got.lookup.has_value());
  if (expected.lookup && got.lookup) compare(*expected.lookup, *got.lookup, differences);
  differences.flag("active", expected.next_cycle != mmu::kNever, got.next_cycle != mmu::kNever);
}

}  // namespace eptsim::tb
