#include "mmu_model/tests/vmx_guest_tables.hpp"

#include "mmu_model/word_access.hpp"

namespace eptsim::mmu::test {
namespace {

using arch::Hpa;

// Guest-physical addresses of tables, each followed by those below it.
constexpr std::uint64_t kDirectory32 = 0x1000;
constexpr std::uint64_t kPdpt = 0x3000;
constexpr std::array<std::uint64_t, 3> kPml4 = {0x6000, 0xa000, 0x1'8000};
constexpr std::array<std::uint64_t, 3> kPml5 = {0x1'0000, 0x1'1000, 0x1'c000};
constexpr std::uint64_t kSharedPdpt = 0x1'2000, kOperandsPdpt = 0x1'5000;
constexpr std::uint64_t kOperandsTable32 = 0x1'd000, kOperandsTablePae = 0x1'e000;
constexpr std::uint64_t kOperandsPage = (kOperandsHost - kTablesHost) | kP;

constexpr std::uint64_t kUserTable = kP | kGuestW | kU;

unsigned index_bits(PagingMode mode) { return mode == PagingMode::k32Bit ? 10 : 9; }
unsigned entry_size(PagingMode mode) { return mode == PagingMode::k32Bit ? 4 : 8; }
std::uint64_t offset_in_table(PagingMode mode, std::uint64_t linear, unsigned level) {
  const unsigned bits = index_bits(mode);
  return ((linear >> (12 + bits * (level - 1))) & ((1u << bits) - 1)) * entry_size(mode);
}
std::uint64_t ept_offset(std::uint64_t gpa, unsigned level) {
  return offset_in_table(PagingMode::k4Level, gpa, level);
}

class Writer {
 public:
  Writer(WordMemory& memory, const GuestFeatures& features, Random& random)
      : memory_(memory), features_(features), random_(random) {}

  void write_all() {
    write_32_bit();
    write_pae();
    write_shared();
    for (const TableRoot root : {TableRoot::kFirst, TableRoot::kSecond, TableRoot::kHlat}) {
      write_long(root);
    }
    write_ept(0);
    write_ept(1);
  }

 private:
  /// The entry for `linear` in a guest's table.
  void put(PagingMode mode, std::uint64_t table, std::uint64_t linear, unsigned level,
           std::uint64_t value) {
    write(memory_, Hpa(kTablesHost + table + offset_in_table(mode, linear, level)),
          entry_size(mode), value);
  }

  std::uint64_t any_leaf(PagingMode mode, unsigned level, bool global) {
    std::uint64_t leaf = any_frame(level, random_) | kP;
    if (level == 2) leaf |= kLarge;
    if (!random_.one_in(12)) leaf |= kGuestW;
    if (!random_.one_in(4)) leaf |= kU;
    if (global && features_.globals && !random_.one_in(3)) leaf |= kGlobal;
    if (mode != PagingMode::k32Bit && random_.one_in(6)) leaf |= kNx;
    if (is_long(mode) && random_.one_in(3)) leaf |= random_.below(4) << 59;  // protection key
    return leaf;
  }

  /// The table of kSmall, and the other one.
  void write_small(PagingMode mode, std::uint64_t table, bool hlat = false) {
    for (const std::uint64_t one : {table, table ^ kOtherTable}) {
      for (std::uint64_t page = 0; page < kSmallPages; ++page) {
        std::uint64_t leaf = any_leaf(mode, 1, !is_long(mode));
        if (hlat && random_.one_in(2)) leaf |= kRestart;
        put(mode, one, kSmall + page * k4K, 1, leaf);
      }
    }
  }

  void write_32_bit() {
    constexpr PagingMode kMode = PagingMode::k32Bit;
    put(kMode, kDirectory32, kSmall, 2, (kDirectory32 + k4K) | kUserTable);
    put(kMode, kDirectory32, kLargePage, 2, kLargePage | kUserTable | kLarge);
    write_small(kMode, kDirectory32 + k4K);
    put(kMode, kDirectory32, operands_of(kMode), 2, kOperandsTable32 | kUserTable);
    put(kMode, kOperandsTable32, operands_of(kMode), 1, kOperandsPage);
  }

  void write_pae() {
    constexpr PagingMode kMode = PagingMode::kPae;
    put(kMode, kPdpt, kSmall, 3, (kPdpt + k4K) | kP);
    put(kMode, kPdpt + k4K, kSmall, 2, (kPdpt + 2 * k4K) | kUserTable);
    put(kMode, kPdpt + k4K, kLargePage, 2, any_leaf(kMode, 2, true));
    write_small(kMode, kPdpt + 2 * k4K);
    put(kMode, kPdpt + k4K, operands_of(kMode), 2, kOperandsTablePae | kUserTable);
    put(kMode, kOperandsTablePae, operands_of(kMode), 1, kOperandsPage);
  }

  void write_shared() {
    constexpr PagingMode kMode = PagingMode::k4Level;
    put(kMode, kSharedPdpt, kShared, 3, (kSharedPdpt + k4K) | kUserTable);
    put(kMode, kSharedPdpt + k4K, kShared, 2, (kSharedPdpt + 2 * k4K) | kUserTable);
    for (std::uint64_t page = 0; page < kSharedPages; ++page) {
      put(kMode, kSharedPdpt + 2 * k4K, kShared + page * k4K, 1, any_leaf(kMode, 1, true));
    }
    const std::uint64_t operands = operands_of(kMode);
    put(kMode, kOperandsPdpt, operands, 3, (kOperandsPdpt + k4K) | kUserTable);
    put(kMode, kOperandsPdpt + k4K, operands, 2, (kOperandsPdpt + 2 * k4K) | kUserTable);
    put(kMode, kOperandsPdpt + 2 * k4K, operands, 1, kOperandsPage);
  }

  void write_long(TableRoot root) {
    constexpr PagingMode kMode = PagingMode::k4Level;
    const bool hlat = root == TableRoot::kHlat;
    const std::uint64_t top = kPml4[static_cast<unsigned>(root)];
    const std::uint64_t five = kPml5[static_cast<unsigned>(root)];
    // A process that uses a global translation of another does not walk these: flags are set.
    const std::uint64_t walked = kUserTable | kA;
    put(PagingMode::k5Level, five, kSmall, 5, top | kUserTable);
    put(PagingMode::k5Level, five, kShared, 5, top | walked);
    put(kMode, top, kSmall, 4, (top + k4K) | kUserTable);
    put(kMode, top, kShared, 4, hlat ? walked | kRestart : kSharedPdpt | walked);
    put(kMode, top, operands_of(kMode), 4, hlat ? walked | kRestart : kOperandsPdpt | walked);
    put(kMode, top + k4K, kSmall, 3, (top + 2 * k4K) | kUserTable);
    put(kMode, top + 2 * k4K, kSmall, 2, (top + 3 * k4K) | kUserTable);
    put(kMode, top + 2 * k4K, kLargePage, 2, any_leaf(kMode, 2, false) | (hlat ? kRestart : 0));
    write_small(kMode, top + 3 * k4K, hlat);
  }

  void write_ept(unsigned ept) {
    const std::uint64_t top = ept_root(ept, 4);
    if (features_.ept_levels == 5) memory_.put(ept_root(ept, 5), top | kEptRights);
    memory_.put(top, (top + k4K) | kEptRights);
    memory_.put(top + k4K, (top + 2 * k4K) | kEptRights);
    for (std::uint64_t region = 0; region < 3; ++region) {
      const std::uint64_t gpa = region * k2M, table = top + (3 + region) * k4K;
      const std::uint64_t directory_entry = top + 2 * k4K + ept_offset(gpa, 2);
      // One of the regions of data is a page of 2 MiB, in either EPT another.
      if (region == ept + 1) {
        memory_.put(directory_entry, (kDataHost[ept] + gpa) | kEptRights | kTypeWb | kLarge);
        continue;
      }
      memory_.put(directory_entry, table | kEptRights);
      for (std::uint64_t page = 0; page < (region == 0 ? kTablePages : kDataPages); ++page) {
        const std::uint64_t at = gpa + page * k4K;
        std::uint64_t leaf = kTypeWb | (random_.one_in(2) ? kSuppressVe : 0);
        if (region == 0) {
          leaf |= (kTablesHost + at) | kEptRights;
          // As above: nor are the pages of a process's own tables reached.
          if (features_.globals) leaf |= kEptA | kEptD;
        } else {
          leaf |= (kDataHost[ept] + at) | kR;
          if (!random_.one_in(8)) leaf |= kW;
          if (!random_.one_in(16)) leaf |= kX | kXu;
        }
        memory_.put(table + page * 8, leaf);
      }
    }
  }

  WordMemory& memory_;
  const GuestFeatures& features_;
  Random& random_;
};

}  // namespace

std::uint64_t PatternMemory::read64(Hpa address) const {
  const auto found = words.find(address.value());
  if (found != words.end()) return found->second;
  return address.value() < kDataHost[0] ? 0 : Random(address.value()).next();
}

std::uint64_t root_of(PagingMode mode, TableRoot root) {
  switch (mode) {
    case PagingMode::kNone:
    case PagingMode::k32Bit: return kDirectory32;
    case PagingMode::kPae: return kPdpt;
    case PagingMode::k4Level: return kPml4[static_cast<unsigned>(root)];
    case PagingMode::k5Level: return kPml5[static_cast<unsigned>(root)];
  }
  return 0;
}

void write_guest_tables(WordMemory& memory, const GuestFeatures& features, Random& random) {
  Writer(memory, features, random).write_all();
}

std::uint64_t any_frame(unsigned level, Random& random) {
  const std::uint64_t region = kDataBegin + random.below(2) * k2M;
  return level == 2 ? region : region + random.below(16) * k4K;
}

std::uint64_t ept_root(unsigned ept, unsigned levels) {
  const std::uint64_t first = 0x10'0000 + ept * 0x10'0000;
  return levels == 5 ? first + 8 * k4K : first;
}

EntryAddress guest_entry(const WordMemory& memory, PagingMode mode, TableRoot root,
                         std::uint64_t linear, unsigned level) {
  const unsigned size = entry_size(mode);
  std::uint64_t table = root_of(mode, root);
  for (unsigned at = levels_of(mode);; --at) {
    const std::uint64_t entry = kTablesHost + table + offset_in_table(mode, linear, at);
    if (at == level) return {.hpa = entry, .size = size, .level = level};
    table = read(memory, Hpa(entry), size) & kFrame & ~kReserved;
  }
}

EntryAddress ept_entry(const WordMemory& memory, unsigned ept, unsigned levels, std::uint64_t gpa,
                       unsigned level) {
  std::uint64_t table = ept_root(ept, levels);
  for (unsigned at = levels;; --at) {
    const std::uint64_t entry = table + ept_offset(gpa, at);
    const std::uint64_t value = memory.at(entry);
    if (at == level || (at == 2 && (value & kLarge) != 0)) return {.hpa = entry, .level = at};
    table = value & kFrame & ~kReserved;
  }
}

}  // namespace eptsim::mmu::test
