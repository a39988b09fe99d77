#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "mmu_model/caches/translation_caches.hpp"
#include "mmu_model/tests/random.hpp"
#include "mmu_model/tests/walk_tables.hpp"

/// A logical processor with caches beside one without any, over two copies of one memory. Software
/// changes tables in both, carries out the invalidation that the change asks for, and moves among
/// VPIDs, PCIDs and EPTPs. Neither must ever tell them apart.
namespace eptsim::mmu::test {

/// Where the guests' memory and linear addresses lie.
namespace twin {

inline constexpr std::uint64_t kFrame = 0x000f'ffff'ffff'f000;
inline constexpr std::uint64_t k4K = 1u << 12, k2M = 1u << 21;
inline constexpr std::uint64_t kGlobal = 1u << 8;

// Guest-physical memory: a region of tables and two of data, 2 MiB each. Where either EPT has it:
inline constexpr std::uint64_t kTables = 0x4000'0000, kData = 0x8000'0000;
inline constexpr std::uint64_t kTablesOffset = 0x40'0000'0000;
inline constexpr std::array<std::uint64_t, 2> kDataOffset = {0x100'0000'0000, 0x200'0000'0000};

// User pages, those of a 2 MiB page among them, then those that the PCIDs of a VPID share.
inline constexpr std::uint64_t kUser = 0x0000'1234'4000'0000, kLarge2M = kUser + 4 * k2M;
inline constexpr std::uint64_t kShared = 0xffff'8000'0020'0000;
inline constexpr std::array<std::uint64_t, 12> kLinear = {
    kUser,
    kUser + k4K,
    kUser + 2 * k4K,
    kUser + k2M,
    kUser + k2M + k4K,
    kUser + (1ull << 30),
    kUser + (1ull << 39),
    kLarge2M,
    kLarge2M + 9 * k4K,
    kShared,
    kShared + k4K,
    kShared + k2M,
};
inline bool is_shared(std::uint64_t linear) { return (linear >> 63) != 0; }
inline bool is_large(std::uint64_t linear) { return (linear & ~(k2M - 1)) == kLarge2M; }

/// Of the entry for `address` in a table of `level`, in bytes.
inline std::uint64_t index(std::uint64_t address, unsigned level) {
  return ((address >> (12 + 9 * (level - 1))) & 511) * 8;
}

}  // namespace twin

class TwinMachine {
 public:
  TwinMachine(std::uint64_t seed, const CacheSettings& settings);

  /// An access, compared, or a change by software: which one is chance.
  void step();

  /// How often what the comparison lives on has happened.
  unsigned translated = 0, refused = 0, tlb_hits = 0, shorter_walks = 0, needless = 0;

 private:
  /// One address space of a guest, or of the host (native: no EPT).
  struct Space {
    std::uint16_t vpid = 0;
    std::uint16_t pcid = 0;
    bool native = false;
    bool paging = true;
    std::uint64_t root = 0;
  };

  /// An entry of the current space or of an EPT, found by an address that it translates.
  struct Place {
    std::size_t owner = 0;  ///< index of the space; kEpt + index of the EPT
    std::uint64_t address = 0;
    unsigned level = 0;
    std::uint64_t entry = 0;  ///< host-physical address of it
    std::uint64_t good = 0;   ///< its value before it was damaged
  };
  static constexpr std::size_t kEpt = 100;

  // Tables.
  void build();
  std::uint64_t host_frame() { return next_frame_ += twin::k4K; }
  std::uint64_t new_table(bool native);
  /// Host-physical address of a guest's table.
  static std::uint64_t host(const Space& space, std::uint64_t table) {
    return space.native ? table : table + twin::kTablesOffset;
  }
  void put(std::uint64_t address, std::uint64_t value) { memory_.put(address, value); }
  void map(const Space& space, std::uint64_t linear);
  std::uint64_t frame_for(const Space& space, unsigned leaf);
  /// 2 MiB at `gpa`: one page, or 64 of 4 KiB.
  void map_ept(unsigned ept, std::uint64_t gpa, std::uint64_t hpa, bool large);

  // Accesses.
  Context context() const;
  void access();
  std::string first_difference() const;

  // Software.
  CurrentTags tags() const { return current_tags(WalkContext(context())); }
  void invalidate(const InvalidationScopes& scopes) { caches_.invalidate(scopes); }
  void change_space();
  /// Writes a word that both processors see.
  void store(std::uint64_t address, std::uint64_t value);
  /// One of the owner's damaged entries, to be mended; mostly there is one, or all would rot.
  const Place* damaged(std::size_t owner);
  /// Takes `place` off the list of the damaged ones, and gives the value that it should have.
  std::uint64_t mended(const Place& place);
  void damage(Place place, std::uint64_t good);
  void change_guest_tables();
  /// One of the instructions that suffice for an entry of the current space.
  void invalidate_guest(std::uint64_t linear, bool leaf);
  void change_ept();

  Random random_;
  /// Pages that the PCIDs of a VPID share may be global. What one PCID cached then answers for the
  /// other, whose own root stays untouched: so there is nothing to set or refuse for roots alone.
  bool globals_ = false;
  TranslationCaches caches_;
  Context base_;
  WordMemory memory_, uncached_;
  std::array<std::uint64_t, 2> ept_root_{};
  std::vector<Space> spaces_;
  std::vector<Place> damaged_;
  std::uint64_t next_frame_ = 0x10'0000;
  std::uint64_t guest_tables_ = 0;
  std::size_t space_ = 0;
  unsigned ept_ = 0;
  std::uint16_t pml_index_ = 511;
  unsigned accesses_ = 0;
};

}  // namespace eptsim::mmu::test
