#pragma once

#include <array>
#include <cstdint>

#include "mmu_model/tests/random.hpp"
#include "mmu_model/tests/walk_tables.hpp"

/// The memory of a guest that knows every paging mode: its tables for each of them, and two EPTs.
/// All modes map the same few linear addresses, each otherwise, so that what one mode cached is
/// wrong in another. Entries are numbers, as in walk_tables.hpp.
namespace eptsim::mmu::test {

enum class PagingMode : std::uint8_t { kNone, k32Bit, kPae, k4Level, k5Level };
inline constexpr unsigned kPagingModes = 5;
constexpr bool is_long(PagingMode mode) { return mode >= PagingMode::k4Level; }
constexpr unsigned levels_of(PagingMode mode) {
  constexpr std::array<unsigned, kPagingModes> kLevels = {0, 2, 3, 4, 5};
  return kLevels[static_cast<unsigned>(mode)];
}

inline constexpr std::uint64_t k4K = 1u << 12, k2M = 1u << 21;
inline constexpr std::uint64_t kFrame = 0x000f'ffff'ffff'f000;
inline constexpr std::uint64_t kGlobal = 1u << 8, kRestart = 1u << 11;  // guest
inline constexpr std::uint64_t kSuppressVe = 1ull << 63;                // EPT
inline constexpr std::uint64_t kReserved = 1ull << 51;                  // both
inline constexpr std::uint64_t kEptRights = kR | kW | kX | kXu;         // EPT

// Linear addresses: of 4 KiB pages; of a page of 2 MiB, 4 MiB in 32-bit paging; and, in the upper
// half, of pages that all roots of long mode share.
inline constexpr std::uint64_t kSmallPages = 12, kLargePages = 10, kSharedPages = 6;
inline constexpr std::uint64_t kSmall = 0x20'0000;
inline constexpr std::uint64_t kUnmapped = kSmall + 30 * k4K;
inline constexpr std::uint64_t kLargePage = 0x40'0000;
inline constexpr std::uint64_t kShared = 0xffff'8000'0020'0000;
constexpr bool is_shared(std::uint64_t linear) { return linear >> 63 != 0; }
constexpr bool is_large(std::uint64_t linear) { return (linear & ~(k2M - 1)) == kLargePage; }
/// The operands of INVPCID. An instruction may use what is out of date until it has removed that,
/// so the way to them shares no entry with any other address, but for PDPTE registers.
constexpr std::uint64_t operands_of(PagingMode mode) {
  return is_long(mode) ? 0xffff'8080'0020'0000 : 0x80'0000;
}
/// Level of the entry that maps the page of `linear`.
constexpr unsigned leaf_level(std::uint64_t linear) { return is_large(linear) ? 2 : 1; }

// Guest-physical: tables in the first 2 MiB, data in the next two. Tables lie at the same place
// under both EPTs, data do not.
inline constexpr std::uint64_t kTablePages = 64, kDataPages = 64;
inline constexpr std::uint64_t kDataBegin = 0x20'0000;
inline constexpr std::uint64_t kTablesHost = 0x20'0000'0000;
inline constexpr std::array<std::uint64_t, 2> kDataHost = {0x21'0000'0000, 0x22'0000'0000};
/// The operands of INVPCID, where both EPTs have them.
inline constexpr std::uint64_t kOperandsHost = kTablesHost + (kTablePages - 1) * k4K;
/// Between two tables of 4 KiB pages that take each other's place.
inline constexpr std::uint64_t kOtherTable = 0x2'0000;

/// Whose tables. Long mode has two processes, each with a root.
enum class TableRoot : std::uint8_t { kFirst, kSecond, kHlat };
/// Guest-physical address of the first table.
std::uint64_t root_of(PagingMode mode, TableRoot root);

/// Words that nobody wrote are 0 where tables are, and each its own where data are.
class PatternMemory final : public WordMemory {
 public:
  std::uint64_t read64(arch::Hpa address) const override;
};

struct GuestFeatures {
  bool globals = false;  ///< pages with G; what all processes walk has its flags set
  unsigned ept_levels = 4;
};

/// Writes all tables.
void write_guest_tables(WordMemory& memory, const GuestFeatures& features, Random& random);

/// Guest-physical address of some page of `level` for data.
std::uint64_t any_frame(unsigned level, Random& random);

/// Host-physical address of the first table of an EPT, 0 or 1.
std::uint64_t ept_root(unsigned ept, unsigned levels);

/// An entry in host memory.
struct EntryAddress {
  std::uint64_t hpa = 0;
  unsigned size = 8;  ///< bytes
  unsigned level = 0;
};
/// Of `level`, on the way to `linear`; whether entries above are present does not matter.
EntryAddress guest_entry(const WordMemory& memory, PagingMode mode, TableRoot root,
                         std::uint64_t linear, unsigned level);
/// Of `level`, or of a larger page that maps `gpa`.
EntryAddress ept_entry(const WordMemory& memory, unsigned ept, unsigned levels, std::uint64_t gpa,
                       unsigned level);

}  // namespace eptsim::mmu::test
