#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// Bits of EPT entries that must be 0, and bits that mean nothing, at every level.
namespace eptsim::tb::conformance {
namespace {

enum class Form : std::uint8_t { kTable, kPage };

/// Bits low to high of an entry of this level and form.
struct Bits {
  unsigned level;
  Form form;
  unsigned low, high;
};

constexpr Bits kReserved[] = {
    {2, Form::kTable, 3, 6},   //
    {3, Form::kTable, 3, 6},   //
    {4, Form::kTable, 3, 7},   //
    {5, Form::kTable, 3, 7},   //
    {2, Form::kPage, 12, 20},  //
    {3, Form::kPage, 12, 29},  //
};

// Without the controls and capabilities that give some of them a meaning.
constexpr Bits kIgnored[] = {
    {1, Form::kPage, 7, 11},    //
    {1, Form::kPage, 52, 63},   //
    {2, Form::kPage, 8, 11},    //
    {2, Form::kPage, 52, 63},   //
    {3, Form::kPage, 8, 11},    //
    {3, Form::kPage, 52, 63},   //
    {2, Form::kTable, 8, 11},   //
    {2, Form::kTable, 52, 63},  //
    {3, Form::kTable, 8, 11},   //
    {3, Form::kTable, 52, 63},  //
    {4, Form::kTable, 8, 11},   //
    {4, Form::kTable, 52, 63},  //
    {5, Form::kTable, 8, 11},   //
    {5, Form::kTable, 52, 63},  //
};

constexpr Bits kForms[] = {
    {1, Form::kPage, 0, 0},  {2, Form::kPage, 0, 0},  {3, Form::kPage, 0, 0},
    {2, Form::kTable, 0, 0}, {3, Form::kTable, 0, 0}, {4, Form::kTable, 0, 0},
    {5, Form::kTable, 0, 0},
};

bool fits(const Bits& bits, unsigned ept_levels) { return bits.level <= ept_levels; }

MachineState machine_for(const Bits& bits, unsigned ept_levels, bool accessed_dirty = false) {
  return MachineState({.ept_levels = ept_levels,
                       .ept_leaf = bits.form == Form::kPage ? bits.level : 1,
                       .ept_accessed_dirty = accessed_dirty});
}

std::string name_of(const char* what, const Bits& bits, const MachineState& state, unsigned bit,
                    Op op) {
  return std::string(what) + " bit " + std::to_string(bit) + " of level " +
         std::to_string(bits.level) + (bits.form == Form::kPage ? " page" : " table") + ", " +
         std::to_string(state.layout().ept_levels) + "-level EPT, width " +
         std::to_string(state.context.cpu.maxphyaddr) +
         (state.layout().ept_accessed_dirty ? ", EPT A/D, " : ", ") + std::string(name(op));
}

/// A reserved bit misconfigures a present entry and means nothing in another.
void reserved(const MachineState& from, const Bits& bits, unsigned bit, const Sink& sink) {
  constexpr std::uint64_t kNotPresent[] = {0x181, 0x182, 0x184, 0x184};
  for (const Op op : kOps) {
    const std::uint64_t gpa = from.gpa() + offset_of(op);
    MachineState state = from;
    state.poke(state.ept_entry(bits.level), 0, std::uint64_t{1} << bit);
    sink(state.vector(name_of("reserved", bits, state, bit, op), request_of(op, state.linear()),
                      misconfiguration(gpa)));
    state.poke(state.ept_entry(bits.level), 7, 0);
    sink(state.vector(name_of("not present, reserved", bits, state, bit, op),
                      request_of(op, state.linear()),
                      violation(kNotPresent[static_cast<unsigned>(op)], gpa)));
  }
}

void reserved_low_bits(const Sink& sink) {
  for (const unsigned ept_levels : {4U, 5U}) {
    for (const Bits& bits : kReserved) {
      if (!fits(bits, ept_levels)) continue;
      for (const bool accessed_dirty : {false, true}) {
        const MachineState state = machine_for(bits, ept_levels, accessed_dirty);
        for (unsigned bit = bits.low; bit <= bits.high; ++bit) reserved(state, bits, bit, sink);
      }
    }
  }
}

/// Bits 51:MAXPHYADDR, at several widths.
void reserved_address_bits(const Sink& sink) {
  for (const unsigned ept_levels : {4U, 5U}) {
    for (const unsigned width : {40U, 46U, 50U, 51U, 52U}) {
      if (ept_levels == 5 && width < 50) continue;
      for (const Bits& bits : kForms) {
        if (!fits(bits, ept_levels)) continue;
        MachineState state = machine_for(bits, ept_levels);
        state.context.cpu.maxphyaddr = width;
        for (unsigned bit = width; bit <= 51; ++bit) reserved(state, bits, bit, sink);
      }
    }
  }
}

/// Bit 7 where the processor has no pages of that size.
void page_sizes(const Sink& sink) {
  for (const unsigned ept_levels : {4U, 5U}) {
    for (const unsigned level : {2U, 3U}) {
      const Bits bits{level, Form::kTable, 7, 7};
      MachineState state = machine_for(bits, ept_levels);
      state.context.cpu.page_2m = level != 2;
      state.context.cpu.page_1g = level != 3;
      reserved(state, bits, 7, sink);
    }
  }
}

void memory_type_codes(const Sink& sink) {
  for (const unsigned ept_levels : {4U, 5U}) {
    for (const unsigned level : {1U, 2U, 3U}) {
      for (unsigned code = 0; code < 8; ++code) {
        MachineState state = machine_for({level, Form::kPage, 0, 0}, ept_levels);
        state.poke(state.ept_entry(level), 0x38, std::uint64_t{code} << 3);
        const bool valid = code == 0 || code == 1 || code == 4 || code == 5 || code == 6;
        for (const Op op : kOps) {
          const std::uint64_t gpa = state.gpa() + offset_of(op);
          sink(state.vector(
              "memory type " + std::to_string(code) + " of level " + std::to_string(level) + ", " +
                  std::to_string(ept_levels) + "-level EPT, " + std::string(name(op)),
              request_of(op, state.linear()),
              valid ? translated(gpa, state.hpa() + offset_of(op)) : misconfiguration(gpa)));
        }
      }
    }
  }
}

void ignored_bits(const Sink& sink) {
  for (const unsigned ept_levels : {4U, 5U}) {
    for (const Bits& bits : kIgnored) {
      if (!fits(bits, ept_levels)) continue;
      for (unsigned bit = bits.low; bit <= bits.high; ++bit) {
        for (const Op op : kOps) {
          MachineState state = machine_for(bits, ept_levels);
          const std::uint64_t entry = state.ept_entry(bits.level);
          state.poke(entry, 0, std::uint64_t{1} << bit);
          Expected expected = translated(state.gpa() + offset_of(op), state.hpa() + offset_of(op));
          expected.writes.emplace();
          sink(state.vector(name_of("ignored", bits, state, bit, op),
                            request_of(op, state.linear()), std::move(expected)));
        }
      }
    }
  }
}

/// In an entry that is not present bits 62:3 mean nothing; nor does bit 63 without #VE.
void bits_of_absent_entries(const Sink& sink) {
  constexpr std::uint64_t kNotPresent[] = {0x181, 0x182, 0x184, 0x184};
  for (const unsigned ept_levels : {4U, 5U}) {
    for (unsigned level = 1; level <= ept_levels; ++level) {
      for (unsigned bit = 3; bit <= 63; ++bit) {
        MachineState state({.ept_levels = ept_levels});
        state.image.put(state.ept_entry(level), std::uint64_t{1} << bit);
        const Op op = kOps[bit % 4];
        sink(state.vector(
            "absent entry with bit " + std::to_string(bit) + " at level " + std::to_string(level) +
                " of " + std::to_string(ept_levels) + ", " + std::string(name(op)),
            request_of(op, state.linear()),
            violation(kNotPresent[static_cast<unsigned>(op)], state.gpa() + offset_of(op))));
      }
    }
  }
}

}  // namespace

void ept_reserved_bits(const Sink& sink) {
  reserved_low_bits(sink);
  reserved_address_bits(sink);
  page_sizes(sink);
  memory_type_codes(sink);
  ignored_bits(sink);
  bits_of_absent_entries(sink);
}

}  // namespace eptsim::tb::conformance
