#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// Sub-page write permissions: a store that only the W bits refuse asks a table of its own, for
// sub-pages of 128 bytes.
namespace eptsim::tb::conformance {
namespace {

using arch::AccessKind;

// Host-physical addresses of the tables of each level.
constexpr std::uint64_t kTables[] = {0, 0x31'0000'1000, 0x31'0000'2000, 0x31'0000'3000,
                                     0x31'0000'4000};
constexpr std::uint64_t kSpp = std::uint64_t{1} << 61;
constexpr std::uint64_t kEptA = 0x100, kEptD = 0x200;

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

std::uint64_t entry_address(const MachineState& state, unsigned level) {
  return kTables[level] + 8 * ((state.gpa() >> (12 + 9 * (level - 1))) & 0x1ff);
}

/// Sub-page tables for the page with this vector of permissions; the EPT leaf is "r-x" and asks
/// them.
MachineState with_vector(std::uint64_t vector, const Layout& layout = {}) {
  MachineState state(layout);
  state.context.controls.sub_page_permission = true;
  state.context.sppt_pointer = kTables[4];
  for (unsigned level = 4; level >= 2; --level) {
    state.image.put(entry_address(state, level), kTables[level - 1] | 1);
  }
  state.image.put(entry_address(state, 1), vector);
  state.poke(state.ept_entry(layout.ept_leaf), 2, kSpp);
  return state;
}

mmu::Request request(const MachineState& state, std::uint64_t offset, unsigned size = 1,
                     AccessKind access = AccessKind::kWrite) {
  mmu::Request result;
  result.address = state.linear() + offset;
  result.access = access;
  result.size = static_cast<std::uint8_t>(size);
  return result;
}

Expected allowed(const MachineState& state, std::uint64_t offset) {
  Expected expected = translated(state.gpa() + offset, state.hpa() + offset);
  expected.references = 24 + 4;
  return expected;
}

Expected event(const MachineState& state, bool miss, std::uint64_t references) {
  Expected expected;
  expected.kind = mmu::OutcomeKind::kSppEvent;
  expected.qualification = miss ? 0x800 : 0;
  expected.gpa = state.gpa();
  expected.references = references;
  return expected;
}

/// Every sub-page against every bit of the vector that stands for one.
void vectors(const Sink& sink) {
  for (unsigned sub_page = 0; sub_page < 32; ++sub_page) {
    for (const unsigned within : {0U, 127U}) {
      const std::uint64_t offset = 128U * sub_page + within;
      MachineState alone = with_vector(bit(2 * sub_page));
      sink(alone.vector("sub-page " + std::to_string(sub_page) + " alone is writable, byte " +
                            std::to_string(within),
                        request(alone, offset), allowed(alone, offset)));
      constexpr std::uint64_t kAll = 0x5555'5555'5555'5555;
      MachineState others = with_vector(kAll & ~bit(2 * sub_page));
      Expected refused = violation(0x1aa, others.gpa() + offset);
      refused.references = 28;
      sink(others.vector("sub-page " + std::to_string(sub_page) + " alone is not writable, byte " +
                             std::to_string(within),
                         request(others, offset), std::move(refused)));
    }
  }
}

/// A store into two sub-pages needs both; 64 bytes can't reach three.
void sizes(const Sink& sink) {
  for (unsigned first = 0; first < 31; ++first) {
    const std::uint64_t offset = 128U * first + 124;
    for (unsigned choice = 0; choice < 4; ++choice) {
      const MachineState state = with_vector(((choice & 1) != 0 ? bit(2 * first) : 0) |
                                             ((choice & 2) != 0 ? bit(2 * first + 2) : 0));
      const std::string text = "sub-pages " + std::to_string(first) + " and " +
                               std::to_string(first + 1) + ", writable " + std::to_string(choice);
      const Expected refused = violation(0x1aa, state.gpa() + offset);
      sink(state.vector(text + ", 8 bytes", request(state, offset, 8),
                        choice == 3 ? allowed(state, offset) : refused));
      sink(state.vector(text + ", 4 bytes", request(state, offset, 4),
                        (choice & 1) != 0 ? allowed(state, offset) : refused));
    }
  }
}

/// An entry that is not valid is a miss; reserved bits of a valid one, odd bits of the vector.
void events(const Sink& sink) {
  for (unsigned level = 4; level >= 2; --level) {
    const std::uint64_t references = 24 + (5 - level);
    const std::string at = " of level " + std::to_string(level);
    MachineState miss = with_vector(~std::uint64_t{0});
    miss.poke(entry_address(miss, level), 1, 0);
    sink(miss.vector("miss" + at, request(miss, 0), event(miss, true, references)));
    // Reserved bits count in valid entries only.
    for (unsigned number = 1; number < 64; ++number) {
      if (number >= 12 && number < 46) continue;
      MachineState reserved = with_vector(bit(0));
      reserved.poke(entry_address(reserved, level), 0, bit(number));
      sink(reserved.vector("bit " + std::to_string(number) + at, request(reserved, 0),
                           event(reserved, false, references)));
      reserved.poke(entry_address(reserved, level), 1, 0);
      sink(reserved.vector("miss, bit " + std::to_string(number) + at, request(reserved, 0),
                           event(reserved, true, references)));
    }
    for (const unsigned width : {40U, 51U, 52U}) {
      for (unsigned number = width; number < 64; ++number) {
        MachineState reserved = with_vector(bit(0));
        reserved.context.cpu.maxphyaddr = width;
        reserved.poke(entry_address(reserved, level), 0, bit(number));
        sink(reserved.vector(
            "bit " + std::to_string(number) + at + " of a width of " + std::to_string(width),
            request(reserved, 0), event(reserved, false, references)));
      }
    }
  }
  for (unsigned odd = 1; odd < 64; odd += 2) {
    const MachineState state = with_vector(bit(0) | bit(odd));
    sink(state.vector("odd bit " + std::to_string(odd) + " of the vector", request(state, 0),
                      event(state, false, 28)));
  }
}

/// When the tables are asked at all: 24 references if they are not.
void eligibility(const Sink& sink) {
  const auto not_asked = [](Expected expected) {
    expected.references = 24;
    return expected;
  };
  // A vector that would allow everything, or tables that would miss: not looked at.
  for (const bool miss : {false, true}) {
    const std::string also = miss ? ", tables absent" : "";
    const auto make = [&] {
      MachineState state = with_vector(0x5555'5555'5555'5555);
      if (miss) state.image.put(entry_address(state, 4), 0);
      return state;
    };
    {
      MachineState state = make();
      sink(state.vector("load" + also, request(state, 0, 1, AccessKind::kRead),
                        not_asked(translated(state.gpa(), state.hpa()))));
      sink(state.vector("fetch" + also, request(state, 0, 1, AccessKind::kFetch),
                        not_asked(translated(state.gpa(), state.hpa()))));
    }
    {
      MachineState state = make();
      state.poke(state.ept_entry(1), 0, 2);
      sink(state.vector("store to a writable page" + also, request(state, 0),
                        not_asked(translated(state.gpa(), state.hpa()))));
    }
    {
      MachineState state = make();
      state.poke(state.ept_entry(1), kSpp, 0);
      sink(state.vector("store, bit 61 clear" + also, request(state, 0),
                        not_asked(violation(0x1aa, state.gpa()))));
    }
    {
      MachineState state = make();
      state.context.controls.sub_page_permission = false;
      sink(state.vector("store, control off" + also, request(state, 0),
                        not_asked(violation(0x1aa, state.gpa()))));
    }
    {
      // Without read permission (policy), at the leaf or above.
      MachineState state = make();
      state.poke(state.ept_entry(1), 1, 0);
      sink(state.vector("store to an execute-only page" + also, request(state, 0),
                        not_asked(violation(0x1a2, state.gpa()))));
      MachineState upper = make();
      upper.poke(upper.ept_entry(3), 3, 0);
      sink(upper.vector("store under an execute-only entry" + also, request(upper, 0),
                        not_asked(violation(0x1a2, upper.gpa()))));
    }
    {
      MachineState state = make();
      state.poke(state.ept_entry(1), 4, 0);
      sink(state.vector("fetch from a page without execute" + also,
                        request(state, 0, 1, AccessKind::kFetch),
                        not_asked(violation(0x18c, state.gpa()))));
    }
    for (unsigned leaf = 2; leaf <= 3; ++leaf) {
      MachineState state = with_vector(0x5555'5555'5555'5555, {.ept_leaf = leaf});
      if (miss) state.image.put(entry_address(state, 4), 0);
      Expected expected = violation(0x1aa, state.gpa());
      expected.references = 24 - (leaf - 1);
      sink(state.vector("store to a large page, leaf L" + std::to_string(leaf) + also,
                        request(state, 0), std::move(expected)));
    }
    // Updates of the guest's flags never ask.
    for (const bool flags : {false, true}) {
      MachineState state = make();
      if (flags) state.context.eptp |= 0x40;
      state.poke_guest(1, 0x60, 0);
      state.poke(state.table_ept_entry(1, 1), 2, kSpp);
      sink(state.vector(
          std::string("guest table on such a page") + (flags ? ", EPT A/D" : "") + also,
          request(state, 0, 1, AccessKind::kRead), violation(0xab, state.guest_entry_gpa(1))));
    }
  }
  // W = 0 above the leaf is rescued as well; the rights reported stay those of the EPT.
  for (unsigned level = 2; level <= 4; ++level) {
    MachineState state = with_vector(bit(0));
    state.poke(state.ept_entry(1), 0, 2);
    state.poke(state.ept_entry(level), 2, 0);
    sink(state.vector("W = 0 at level " + std::to_string(level), request(state, 0),
                      allowed(state, 0)));
    sink(state.vector("W = 0 at level " + std::to_string(level) + ", refused", request(state, 128),
                      violation(0x1aa, state.gpa() + 128)));
  }
  {
    const MachineState state = with_vector(bit(0));
    sink(state.vector("locked update", request(state, 0, 1, AccessKind::kReadModifyWrite),
                      allowed(state, 0)));
    sink(state.vector("locked update, refused",
                      request(state, 128, 1, AccessKind::kReadModifyWrite),
                      violation(0x1ab, state.gpa() + 128)));
  }
  {
    // The four levels index bits 47:12, whatever the EPT has.
    MachineState state = with_vector(bit(0), {.ept_levels = 5});
    Expected expected = translated(state.gpa(), state.hpa());
    expected.references = 29 + 4;
    sink(state.vector("5-level EPT", request(state, 0), std::move(expected)));
  }
}

/// A store that is let pass is a store: accessed, dirty, logged. One that is refused leaves all.
void flags(const Sink& sink) {
  constexpr std::uint64_t kLog = std::uint64_t{3} << 36;
  for (const bool good : {false, true}) {
    MachineState state = with_vector(good ? bit(0) : bit(2), {.ept_accessed_dirty = true});
    state.context.controls.pml = true;
    state.context.pml_address = kLog;
    Expected expected = good ? allowed(state, 0) : violation(0x1aa, state.gpa());
    expected.memory.push_back(
        {"EPT leaf", state.ept_entry(1), kEptA | kEptD, good ? kEptA | kEptD : 0});
    // Behind the four guest tables.
    expected.memory.push_back(
        {"log entry 507", kLog + 8 * 507, ~std::uint64_t{0}, good ? state.gpa() : 0});
    sink(state.vector(std::string("flags of a store ") + (good ? "let pass" : "refused"),
                      request(state, 0), std::move(expected)));
  }
}

/// Across two pages each is asked in its turn.
void across_pages(const Sink& sink) {
  for (unsigned choice = 0; choice < 4; ++choice) {
    const bool lower = (choice & 1) != 0;
    const bool upper = (choice & 2) != 0;
    MachineState state = with_vector(lower ? bit(62) : bit(60));
    // The page that follows, in both dimensions and in the sub-page tables.
    const std::uint64_t next = state.gpa() + 0x1000;
    state.map_ept(next, state.hpa() + 0x1000, 1);
    state.poke(state.ept_entry_of(next, 1), 2, kSpp);
    state.image.put(state.guest_entry(1) + 8, next | 0x67);
    state.image.put(entry_address(state, 1) + 8, upper ? bit(0) : bit(2));
    Expected expected = translated(state.gpa() + 0xffc, state.hpa() + 0xffc);
    if (!lower) {
      expected = violation(0x1aa, state.gpa() + 0xffc);
    } else if (!upper) {
      expected = violation(0x1aa, next);
    }
    expected.references = lower ? 56 : 28;
    sink(state.vector("across pages, writable " + std::to_string(choice), request(state, 0xffc, 8),
                      std::move(expected)));
  }
}

}  // namespace

void sub_page_permission(const Sink& sink) {
  vectors(sink);
  sizes(sink);
  events(sink);
  eligibility(sink);
  flags(sink);
  across_pages(sink);
}

}  // namespace eptsim::tb::conformance
