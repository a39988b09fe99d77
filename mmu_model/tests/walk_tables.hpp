#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "ept/arch/page_size.hpp"
#include "ept/arch/physical_memory.hpp"
#include "mmu_model/walk/translate.hpp"

/// Raw guest and EPT tables for tests of the walk: entries are numbers, written where the test
/// says.
namespace eptsim::mmu::test {

using arch::AccessKind;
using arch::PageSize;

/// Memory as a map of words. `before_swap` may change it under a compare-and-swap.
class WordMemory : public arch::PhysicalMemory {
 public:
  std::uint64_t read64(arch::Hpa address) const override;
  void write64(arch::Hpa address, std::uint64_t value) override;
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override;

  std::uint64_t at(std::uint64_t address) const { return read64(arch::Hpa(address)); }
  void put(std::uint64_t address, std::uint64_t value) { write64(arch::Hpa(address), value); }

  std::map<std::uint64_t, std::uint64_t> words;
  std::function<void(std::uint64_t address)> before_swap;
};

// Entry bits as the manual numbers them.
inline constexpr std::uint64_t kR = 1, kW = 2, kX = 4, kXu = 1u << 10;         // EPT
inline constexpr std::uint64_t kEptA = 1u << 8, kEptD = 1u << 9;               // EPT
inline constexpr std::uint64_t kTypeWb = 6u << 3;                              // EPT leaf
inline constexpr std::uint64_t kP = 1, kGuestW = 2, kU = 4, kA = 32, kD = 64;  // guest
inline constexpr std::uint64_t kLarge = 1u << 7;                               // both
inline constexpr std::uint64_t kNx = 1ull << 63;                               // guest

/// Where one page of the machine lies in the three address spaces.
struct PageAddress {
  std::uint64_t gva = 0;
  std::uint64_t gpa = 0;
  std::uint64_t hpa = 0;
};

/// A guest and its EPT. Frames of both are scattered over the whole width of their addresses, so
/// that no upper bit is lost unnoticed; each page and table has 1 GiB of either space to itself, so
/// that any EPT page size can map it.
class WalkTables {
 public:
  /// Levels of 0 turn a dimension off. Supervisor and user may do everything; A and D are clear.
  WalkTables(unsigned guest_levels, unsigned ept_levels, std::uint64_t seed = 1);

  Context context;
  WordMemory memory;

  /// Maps the guest page of `guest_page` that holds `gva`. The 4 KiB at `gva` and the guest tables
  /// are mapped by EPT pages of `ept_page` and `table_ept_page`. Returns where `gva` leads.
  PageAddress map(std::uint64_t gva, PageSize guest_page = PageSize::k4K,
                  PageSize ept_page = PageSize::k4K, PageSize table_ept_page = PageSize::k4K);
  /// Maps gpa to hpa in the EPT.
  void map_ept(std::uint64_t gpa, std::uint64_t hpa, PageSize page);

  /// Host-physical address of an entry that exists.
  std::uint64_t ept_entry(std::uint64_t gpa, unsigned level) const;
  std::uint64_t guest_entry(std::uint64_t gva, unsigned level) const;
  /// Guest-physical address of the guest entry.
  std::uint64_t guest_entry_gpa(std::uint64_t gva, unsigned level) const;

  /// Changes bits of the word at a host-physical address.
  void set(std::uint64_t address, std::uint64_t bits);
  void clear(std::uint64_t address, std::uint64_t bits);

  /// Checks context and request, and runs it; what was read and written is in `recording`.
  TranslateResult run(const Request& request);
  Recording recording;

  unsigned guest_levels() const { return guest_levels_; }
  unsigned ept_levels() const { return ept_levels_; }

 private:
  std::uint64_t random();
  std::uint64_t region(std::set<std::uint64_t>& used);
  std::uint64_t new_guest_table(PageSize ept_page);

  unsigned guest_levels_;
  unsigned ept_levels_;
  std::uint64_t random_;
  std::set<std::uint64_t> gpa_regions_;
  std::set<std::uint64_t> hpa_regions_;
  std::map<std::uint64_t, std::uint64_t>
      table_hpa_;  ///< of guest tables, by guest-physical address
};

/// A guest of 32-bit paging, without EPT, that maps the page at kThirtyTwoBitPage.
inline constexpr std::uint64_t kThirtyTwoBitPage = 0x40'1000;
WalkTables thirty_two_bit_page();

Request access(AccessKind kind, std::uint64_t gva, bool user = false);

/// For messages and comparison.
std::string describe(const Outcome& outcome);

}  // namespace eptsim::mmu::test
