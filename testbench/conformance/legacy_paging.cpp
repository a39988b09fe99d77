#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// 32-bit and PAE paging: ignored bits, 4 MiB pages beyond 4 GiB, the PDPTE registers.
namespace eptsim::tb::conformance {
namespace {

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

/// 32-bit entries of tables and 4 KiB pages have no reserved bits.
void ignored_in_32_bit(const Sink& sink) {
  for (const unsigned ept_levels : {0U, 4U}) {
    for (unsigned number = 3; number <= 11; ++number) {
      for (unsigned level = 1; level <= 2; ++level) {
        MachineState state({.guest = Guest::k32Bit, .ept_levels = ept_levels});
        // Bit 7 of a PDE means a large page only with CR4.PSE.
        if (level == 2 && number == 7) state.context.cr4 &= ~bit(4);
        state.poke_guest(level, 0, bit(number));
        sink(state.vector("32-bit, bit " + std::to_string(number) + " of L" +
                              std::to_string(level) + ", EPT levels " + std::to_string(ept_levels),
                          request_of(Op::kW, state.linear()),
                          translated(state.gpa(), state.hpa())));
      }
    }
    // CR3 bits 11:0, of which 4:3 only give a memory type.
    for (unsigned number = 0; number <= 11; ++number) {
      MachineState state({.guest = Guest::k32Bit, .ept_levels = ept_levels});
      state.context.cr3 |= bit(number);
      sink(state.vector("32-bit, CR3 bit " + std::to_string(number) + ", EPT levels " +
                            std::to_string(ept_levels),
                        request_of(Op::kR, state.linear()), translated(state.gpa(), state.hpa())));
    }
  }
}

/// A 4 MiB page: PDE bits (M'-20):13 are address bits (M'-1):32, those above up to 21 reserved.
void four_mib_pages(const Sink& sink) {
  for (const unsigned width : {32U, 34U, 36U, 39U, 40U, 46U, 52U}) {
    const unsigned used = width < 40 ? width : 40;
    for (unsigned number = 12; number <= 21; ++number) {
      MachineState state({.guest = Guest::k32Bit, .guest_leaf = 2, .ept_levels = 0});
      state.context.cpu.maxphyaddr = width;
      state.poke_guest(2, 0, bit(number));
      Expected expected = translated(state.gpa(), state.gpa());
      if (number >= 13 && number <= used - 20) {
        const std::uint64_t gpa = state.gpa() | bit(32 + number - 13);
        expected = translated(gpa, gpa);
      } else if (number >= 13) {
        expected = page_fault(0x9);
      }
      sink(state.vector("4 MiB page, PDE bit " + std::to_string(number) + " of a width of " +
                            std::to_string(width),
                        request_of(Op::kR, state.linear()), std::move(expected)));
    }
  }
  // Under the EPT the wide address is looked up there.
  for (unsigned number = 32; number <= 39; ++number) {
    MachineState state({.guest = Guest::k32Bit, .guest_leaf = 2});
    const std::uint64_t gpa = state.gpa() | bit(number);
    state.map_ept(gpa, state.hpa(), 1);
    state.poke_guest(2, 0, bit(13 + number - 32));
    Expected expected = translated(gpa, state.hpa());
    expected.page_size = arch::PageSize::k4K;
    sink(state.vector("4 MiB page with address bit " + std::to_string(number) + " under EPT",
                      request_of(Op::kR, state.linear()), std::move(expected)));
  }
}

/// Rights of 32-bit and PAE paging: error codes without a fetch bit where there is none.
void rights(const Sink& sink) {
  struct Row {
    const char* what;
    Guest guest;
    std::uint64_t clear, set;   ///< in the entry of the level
    std::uint64_t cr4;          ///< further bits
    std::uint32_t r, w, x, xu;  ///< error codes; 0: translated
  };
  constexpr std::uint64_t kSmep = 0x100000;
  const Row rows[] = {
      {"absent", Guest::k32Bit, 0x1, 0, 0, 0x100, 0x2, 0x100, 0x4},
      {"absent", Guest::kPae, 0x1, 0, 0, 0x100, 0x2, 0x10, 0x14},
      {"absent", Guest::k32Bit, 0x1, 0, kSmep, 0x100, 0x2, 0x10, 0x14},
      {"supervisor", Guest::k32Bit, 0x4, 0, 0, 0, 0, 0, 0x5},
      {"supervisor", Guest::kPae, 0x4, 0, 0, 0, 0, 0, 0x15},
      {"read-only", Guest::k32Bit, 0x2, 0, 0, 0, 0x3, 0, 0},
      {"read-only", Guest::kPae, 0x2, 0, 0, 0, 0x3, 0, 0},
      {"execute-disable", Guest::kPae, 0, bit(63), 0, 0, 0, 0x11, 0x15},
      {"user", Guest::k32Bit, 0, 0, kSmep, 0, 0, 0x11, 0},
      {"user", Guest::kPae, 0, 0, kSmep, 0, 0, 0x11, 0},
  };
  for (const Row& row : rows) {
    for (unsigned level = 1; level <= 2; ++level) {
      for (const unsigned ept_levels : {0U, 4U, 5U}) {
        MachineState state({.guest = row.guest, .ept_levels = ept_levels});
        state.context.cr4 |= row.cr4;
        state.poke_guest(level, row.clear, row.set);
        const std::uint32_t codes[] = {row.r, row.w, row.x, row.xu};
        for (const Op op : kOps) {
          const std::uint32_t code = codes[static_cast<unsigned>(op)];
          // 0x100 stands for a fault whose code is 0.
          Expected expected =
              code == 0 ? translated(state.gpa() + offset_of(op), state.hpa() + offset_of(op))
                        : page_fault(code & 0xff);
          sink(state.vector(std::string(name(row.guest)) + ", " + row.what + " L" +
                                std::to_string(level) + (row.cr4 != 0 ? ", SMEP" : "") +
                                ", EPT levels " + std::to_string(ept_levels) + ", " +
                                std::string(name(op)),
                            request_of(op, state.linear()), std::move(expected)));
        }
      }
    }
  }
}

/// Reserved bits of PAE entries: 62:M, 63 without NXE, 20:13 of a 2 MiB page.
void reserved_in_pae(const Sink& sink) {
  for (const unsigned width : {36U, 40U, 46U, 52U}) {
    for (unsigned level = 1; level <= 2; ++level) {
      for (const bool large : {false, true}) {
        if (large && level == 1) continue;
        for (unsigned number = large ? 13 : width; number <= 62; ++number) {
          if (number > 20 && number < width) continue;
          MachineState state(
              {.guest = Guest::kPae, .guest_leaf = large ? 2U : 1U, .ept_levels = 0});
          state.context.cpu.maxphyaddr = width;
          if (width == 36) {
            // The page must lie within the width too.
            state.poke_guest(large ? 2 : 1, bit(39), 0);
          }
          state.poke_guest(level, 0, bit(number));
          sink(state.vector("PAE, bit " + std::to_string(number) + " of L" + std::to_string(level) +
                                (large ? " page" : "") + ", a width of " + std::to_string(width),
                            request_of(Op::kXu, state.linear()), page_fault(0x1d)));
        }
      }
    }
  }
  for (unsigned level = 1; level <= 2; ++level) {
    MachineState state({.guest = Guest::kPae});
    state.context.efer = 0;
    state.poke_guest(level, 0, bit(63));
    sink(state.vector("PAE, bit 63 of L" + std::to_string(level) + " without NXE",
                      request_of(Op::kXu, state.linear()), page_fault(0xd)));
  }
}

/// The four registers: the right one is used, absent ones fault, bits 11:9 and 4:3 mean nothing.
void pdptes(const Sink& sink) {
  for (const unsigned ept_levels : {4U, 5U}) {
    for (unsigned which = 0; which < 4; ++which) {
      MachineState state({.guest = Guest::kPae, .ept_levels = ept_levels});
      auto& registers = *state.context.pdptes;
      const std::uint64_t good = registers[1];
      registers = {};
      registers[which] = good;
      for (unsigned address = 0; address < 4; ++address) {
        mmu::Request request =
            request_of(Op::kW, (state.linear() & 0x3fff'ffff) | std::uint64_t{address} << 30);
        Expected expected = page_fault(0x2);
        expected.references = 0;
        if (address == which) {
          expected = translated(state.gpa(), state.hpa());
          expected.references = 3 * (ept_levels + 1) - 1;
        }
        sink(state.vector("only PDPTE " + std::to_string(which) + ", address in GiB " +
                              std::to_string(address) + ", EPT levels " +
                              std::to_string(ept_levels),
                          request, std::move(expected)));
      }
    }
    for (const unsigned number : {3U, 4U, 9U, 10U, 11U}) {
      MachineState state({.guest = Guest::kPae, .ept_levels = ept_levels});
      (*state.context.pdptes)[1] |= bit(number);
      sink(state.vector(
          "PDPTE bit " + std::to_string(number) + ", EPT levels " + std::to_string(ept_levels),
          request_of(Op::kR, state.linear()), translated(state.gpa(), state.hpa())));
    }
    for (unsigned number = 0; number <= 4; ++number) {
      MachineState state({.guest = Guest::kPae, .ept_levels = ept_levels});
      state.context.cr3 ^= bit(number);
      sink(state.vector(
          "PAE, CR3 bit " + std::to_string(number) + ", EPT levels " + std::to_string(ept_levels),
          request_of(Op::kR, state.linear()), translated(state.gpa(), state.hpa())));
    }
  }
  // CR4.PSE changes nothing in PAE paging.
  for (const bool pse : {false, true}) {
    MachineState state({.guest = Guest::kPae, .guest_leaf = 2});
    if (pse) state.context.cr4 |= 0x10;
    Expected expected = translated(state.gpa(), state.hpa());
    expected.references = 9;  // one guest entry: 2 times 5, less 1
    sink(state.vector(std::string("PAE 2 MiB page, CR4.PSE=") + (pse ? "1" : "0"),
                      request_of(Op::kR, state.linear()), std::move(expected)));
  }
}

}  // namespace

void legacy_paging(const Sink& sink) {
  ignored_in_32_bit(sink);
  four_mib_pages(sink);
  rights(sink);
  reserved_in_pae(sink);
  pdptes(sink);
}

}  // namespace eptsim::tb::conformance
