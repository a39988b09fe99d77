#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "testbench/conformance/vector.hpp"

namespace eptsim::tb::conformance {

/// Physical memory being written for a vector: little-endian, addresses multiples of the size.
class Image {
 public:
  void put(std::uint64_t address, std::uint64_t value, unsigned size = 8);
  std::uint64_t at(std::uint64_t address, unsigned size = 8) const;
  const std::vector<Word>& words() const { return words_; }

 private:
  std::vector<Word> words_;
};

enum class Guest : std::uint8_t { kNone, k32Bit, kPae, k4Level, k5Level };
std::string_view name(Guest guest);

/// The tables that a machine starts with. Levels count from 1, a table of 4 KiB pages.
struct Layout {
  Guest guest = Guest::k4Level;
  unsigned guest_leaf = 1;
  unsigned ept_levels = 4;          ///< 4 or 5; 0: EPT off
  unsigned ept_leaf = 1;            ///< of the page
  unsigned table_leaf = 1;          ///< of the EPT pages that hold guest tables
  bool mode_based_execute = false;  ///< with bit 10 in every EPT entry
  bool ept_accessed_dirty = false;  ///< EPTP bit 6
};

/// A guest in the middle of its life: one linear page is mapped to one page of memory, by guest
/// tables each of which lies in a GiB of its own, so that every EPT entry of level 3 or below maps
/// one guest table or the page. With 4-level guests the page has EPT entries of all levels to
/// itself. Everything is allowed and present, accessed and dirty flags are set in the guest's
/// entries and clear in the EPT's.
class MachineState {
 public:
  explicit MachineState(const Layout& layout = {});

  mmu::Context context;
  Image image;

  const Layout& layout() const { return layout_; }
  std::uint64_t linear() const { return linear_; }  ///< a multiple of 4 KiB
  std::uint64_t gpa() const { return gpa_; }        ///< where it leads
  std::uint64_t hpa() const { return hpa_; }
  unsigned guest_levels() const { return guest_levels_; }
  unsigned entry_size() const { return layout_.guest == Guest::k32Bit ? 4 : 8; }

  /// Host- and guest-physical addresses of the guest entry of a level.
  std::uint64_t guest_entry(unsigned level) const;
  std::uint64_t guest_entry_gpa(unsigned level) const;
  /// Host-physical address of the EPT entry of a level on the way to the page, or to the guest
  /// table of a level.
  std::uint64_t ept_entry(unsigned level) const { return ept_entry_of(gpa_, level); }
  std::uint64_t table_ept_entry(unsigned guest_level, unsigned level) const;
  /// On the way to any guest-physical address that is mapped.
  std::uint64_t ept_entry_of(std::uint64_t gpa, unsigned level) const;

  /// Changes an entry: first `clear`, then `set`.
  void poke(std::uint64_t address, std::uint64_t clear, std::uint64_t set);
  void poke_guest(unsigned level, std::uint64_t clear, std::uint64_t set);
  /// The same for all levels of the guest from `lowest` up.
  void poke_guest_from(unsigned lowest, std::uint64_t clear, std::uint64_t set);

  /// Maps a page of the EPT's level `leaf`; entries above allow everything.
  void map_ept(std::uint64_t gpa, std::uint64_t hpa, unsigned leaf);
  /// A whole chain of guest tables from the one at guest-physical `root`, whose other tables follow
  /// it GiB by GiB, for `linear`. Their EPT pages are mapped too. Returns nothing: the entry of a
  /// level is at `chain_entry`.
  void map_guest_chain(std::uint64_t root, std::uint64_t linear, std::uint64_t gpa, unsigned leaf);
  std::uint64_t chain_entry_gpa(std::uint64_t root, std::uint64_t linear, unsigned level) const;

  /// Host-physical address of what the guest tables at `gpa` are.
  static std::uint64_t table_hpa(std::uint64_t gpa);

  Vector vector(std::string name, const mmu::Request& request, Expected expected) const;

 private:
  std::uint64_t ept_flags() const;
  unsigned guest_index(std::uint64_t linear, unsigned level) const;
  std::uint64_t table_of(unsigned guest_level) const;

  struct EptTable {
    unsigned level;
    std::uint64_t first;  ///< guest-physical address that it maps first
    std::uint64_t address;
  };

  Layout layout_;
  unsigned guest_levels_ = 0;
  std::uint64_t linear_ = 0;
  std::uint64_t gpa_ = 0;
  std::uint64_t hpa_ = 0;
  std::vector<EptTable> ept_tables_;
};

}  // namespace eptsim::tb::conformance
