#pragma once

#include <cstdint>
#include <map>

#include "testbench/oracle/oracle.hpp"

// Guest and EPT tables for the oracle's tests, written entry by entry.
namespace eptsim::oracle::test {

// CR0: PE, WP, PG. CR4: PAE. EFER: LME, LMA, NXE.
inline constexpr std::uint64_t kCr0 = 0x80010001;
inline constexpr std::uint64_t kCr4Pae = 1U << 5;
inline constexpr std::uint64_t kCr4La57 = 1U << 12;
inline constexpr std::uint64_t kCr4Smep = 1U << 20;
inline constexpr std::uint64_t kCr4Smap = 1U << 21;
inline constexpr std::uint64_t kCr4Pke = 1U << 22;
inline constexpr std::uint64_t kCr4Cet = 1U << 23;
inline constexpr std::uint64_t kCr4Pks = 1U << 24;
inline constexpr std::uint64_t kCr4Lass = 1U << 27;
inline constexpr std::uint64_t kEferLong = 0xd00;

inline constexpr std::uint64_t kEptRwx = 0x37;     // R, W, X, WB
inline constexpr std::uint64_t kGuestUser = 0x67;  // P, R/W, U/S, A, D
inline constexpr std::uint64_t kGuestSupervisor = 0x63;

// The linear page and the guest-physical page that most tests translate; the latter has a level-4
// entry of its own.
inline constexpr std::uint64_t kGva = 0x00007f1234400000;
inline constexpr std::uint64_t kGpa = std::uint64_t{1} << 39;

// A machine with a 4- or 5-level guest (0: no paging) over a 4- or 5-level EPT (0: off), whose
// guest tables are mapped by EPT pages of one level. Host-physical addresses are guest-physical
// ones plus kShift.
class World {
 public:
  static constexpr std::uint64_t kShift = std::uint64_t{1} << 38;

  World(unsigned guest_levels, unsigned ept_levels, unsigned ept_page_level = 1);

  // Maps a page; level 1 is 4 KBytes. The entries above the leaf allow everything.
  void map_guest(std::uint64_t gva, std::uint64_t gpa, unsigned level = 1,
                 std::uint64_t flags = kGuestUser);
  void map_ept(std::uint64_t gpa, std::uint64_t hpa, unsigned level = 1,
               std::uint64_t flags = kEptRwx);

  // kGva to kGpa to kGpa + kShift, with one page level each.
  void map_data(unsigned guest_level = 1, unsigned ept_level = 1);

  // Host-physical addresses of entries that exist.
  std::uint64_t ept_entry(std::uint64_t gpa, unsigned level) const;
  std::uint64_t guest_entry(std::uint64_t gva, unsigned level) const;
  // The guest-physical address of a guest entry.
  std::uint64_t guest_entry_gpa(std::uint64_t gva, unsigned level) const;
  // The same for the tables under another root.
  std::uint64_t guest_entry_gpa(std::uint64_t gva, unsigned level, std::uint64_t root) const;

  // A new guest-physical frame of tables, mapped by the EPT.
  std::uint64_t new_guest_table();
  void map_guest_under(std::uint64_t root, std::uint64_t gva, std::uint64_t gpa, unsigned level,
                       std::uint64_t flags);

  std::uint64_t host(std::uint64_t gpa) const { return state.eptp ? gpa + kShift : gpa; }
  std::uint64_t at(std::uint64_t address) const;
  void put(std::uint64_t address, std::uint64_t value) { memory_[address] = value; }

  Memory memory();
  Result run(const Access& access);  // memory stays as the access leaves it
  Result run(Kind kind, bool user = false, std::uint64_t offset = 0);

  State state;

 private:
  unsigned guest_levels_;
  unsigned ept_levels_;
  unsigned ept_page_level_;
  std::uint64_t next_ept_table_ = 0x10000000;
  std::uint64_t next_guest_table_ = 0x80000000;
  std::map<std::uint64_t, std::uint64_t> memory_;
};

}  // namespace eptsim::oracle::test
