#pragma once

#include <cstdint>
#include <functional>
#include <ostream>

/// A second reading of the EPT rules for the tests, from the bare bits.
namespace eptsim::ept::test {

struct ReferenceResult {
  enum class Kind : std::uint8_t { kAbsent, kMisconfigured, kMapped };
  Kind kind = Kind::kAbsent;
  std::uint64_t address = 0;  ///< of the byte
  unsigned page_bits = 0;     ///< 12, 21 or 30
  std::uint64_t rights = 0;   ///< bits 0 to 2 of the AND over all levels
  std::uint64_t type = 0;     ///< bits 6:3 of the leaf

  friend bool operator==(const ReferenceResult&, const ReferenceResult&) = default;

  friend std::ostream& operator<<(std::ostream& out, const ReferenceResult& result) {
    if (result.kind == Kind::kAbsent) return out << "absent";
    if (result.kind == Kind::kMisconfigured) return out << "misconfigured";
    return out << "0x" << std::hex << result.address << std::dec << " in a page of "
               << result.page_bits << " bits, rights " << result.rights << ", type " << result.type;
  }
};

/// Walks the table at `root`, without mode-based execute control, with every page size.
inline ReferenceResult reference_walk(const std::function<std::uint64_t(std::uint64_t)>& read,
                                      std::uint64_t root, unsigned levels, unsigned maxphyaddr,
                                      std::uint64_t gpa) {
  using Kind = ReferenceResult::Kind;
  ReferenceResult result;
  result.rights = 7;
  std::uint64_t table = root;
  for (unsigned level = levels; level >= 1; --level) {
    const unsigned shift = 3 + 9 * level;
    const std::uint64_t entry = read(table + ((gpa >> shift) % 512) * 8);
    if (entry % 8 == 0) return {};
    const bool leaf = level == 1 || ((level == 2 || level == 3) && (entry >> 7 & 1) == 1);
    const std::uint64_t above = entry << 12 >> 12 >> maxphyaddr;
    const std::uint64_t type = entry >> 3 & 7;
    const std::uint64_t page = entry << 12 >> 12 >> shift << shift;
    const std::uint64_t low_address = leaf ? (entry << 12 >> 24 << 12) - page : 0;
    const bool low_bits = !leaf && (entry >> 3 & (level >= 4 ? 31 : 15)) != 0;
    const bool bad_type = leaf && (type == 2 || type == 3 || type == 7);
    if (entry % 4 == 2 || above != 0 || low_address != 0 || low_bits || bad_type) {
      return {.kind = Kind::kMisconfigured};
    }
    result.rights &= entry;
    if (leaf) {
      result.kind = Kind::kMapped;
      result.page_bits = shift;
      result.address = page + gpa % (std::uint64_t{1} << shift);
      result.type = entry >> 3 & 15;
      return result;
    }
    table = entry << 12 >> 24 << 12;
  }
  return {};
}

}  // namespace eptsim::ept::test
