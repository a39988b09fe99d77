#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"

// What VM entry accepts and refuses of what a translation depends on.
namespace eptsim::tb::conformance {
namespace {

Expected entered(bool accepted) { return accepted ? translated() : refused_by_vm_entry(); }

/// The same walk, or none.
void put(const MachineState& state, std::string text, bool accepted, const Sink& sink) {
  sink(state.vector(std::move(text), request_of(Op::kR, state.linear()), entered(accepted)));
}

void eptp(const Sink& sink) {
  for (unsigned type = 0; type < 8; ++type) {
    MachineState state;
    state.context.eptp = (state.context.eptp & ~std::uint64_t{0x7}) | type;
    put(state, "EPTP memory type " + std::to_string(type), type == 0 || type == 6, sink);
  }
  for (unsigned length = 0; length < 8; ++length) {
    MachineState state({.ept_levels = length == 4 ? 5U : 4U});
    state.context.eptp = (state.context.eptp & ~std::uint64_t{0x38}) | (std::uint64_t{length} << 3);
    put(state, "EPTP walk length field " + std::to_string(length), length == 3 || length == 4,
        sink);
  }
  {
    MachineState state;
    state.context.eptp |= 0x40;
    put(state, "EPTP accessed and dirty flags", true, sink);
  }
  for (const bool capable : {false, true}) {
    MachineState state;
    state.context.cpu.supervisor_shadow_stack = capable;
    state.context.eptp |= 0x80;
    put(state, std::string("EPTP bit 7 ") + (capable ? "with" : "without") + " the capability",
        capable, sink);
  }
  for (unsigned bits = 1; bits < 16; ++bits) {
    MachineState state;
    state.context.eptp |= std::uint64_t{bits} << 8;
    put(state, "EPTP bits 11:8 = " + std::to_string(bits), false, sink);
  }
  for (const unsigned width : {40U, 46U, 51U, 52U}) {
    for (unsigned bit = width; bit < 64; ++bit) {
      MachineState state;
      state.context.cpu.maxphyaddr = width;
      state.context.eptp |= std::uint64_t{1} << bit;
      put(state, "EPTP bit " + std::to_string(bit) + " of a width of " + std::to_string(width),
          false, sink);
    }
  }
}

/// Controls that need EPT, and the addresses that come with some.
void controls(const Sink& sink) {
  struct Row {
    const char* name;
    bool mmu::Controls::* control;
    std::uint64_t mmu::Context::* address;  ///< null: none
    bool needs_ept;
    std::uint64_t reserved;  ///< low bits of the address that must be 0
  };
  constexpr Row kRows[] = {
      {"mode-based execute", &mmu::Controls::mode_based_execute, nullptr, true, 0},
      {"sub-page permissions", &mmu::Controls::sub_page_permission, &mmu::Context::sppt_pointer,
       true, 0xfff},
      {"page-modification log", &mmu::Controls::pml, &mmu::Context::pml_address, true, 0xfff},
      {"virtualization exceptions", &mmu::Controls::ept_violation_ve,
       &mmu::Context::ve_info_address, false, 0xfff},
      {"paging-write", &mmu::Controls::paging_write, nullptr, true, 0},
      {"guest-paging verification", &mmu::Controls::guest_paging_verification, nullptr, true, 0},
      {"HLAT", &mmu::Controls::hlat, &mmu::Context::hlat_pointer, true, 0xfe7},
  };
  for (const Row& row : kRows) {
    MachineState with;
    MachineState without({.ept_levels = 0});
    for (MachineState* state : {&with, &without}) {
      state->context.controls.*row.control = true;
      // HLAT is for the upper half alone, so that the walk is the same.
      state->context.hlat_prefix_size = 1;
    }
    put(with, std::string(row.name) + " with EPT", true, sink);
    put(without, std::string(row.name) + " without EPT", !row.needs_ept, sink);
    if (row.address == nullptr) continue;
    for (unsigned bit = 0; bit < 64; ++bit) {
      for (const unsigned width : {40U, 46U, 52U}) {
        const std::uint64_t value = std::uint64_t{1} << bit;
        MachineState state = with;
        state.context.cpu.maxphyaddr = width;
        state.context.*row.address = value;
        const bool good = bit < width && (value & row.reserved) == 0;
        put(state,
            std::string(row.name) + ", address bit " + std::to_string(bit) + " of a width of " +
                std::to_string(width),
            good, sink);
        // With the control off nobody looks.
        state.context.controls.*row.control = false;
        put(state,
            std::string(row.name) + " off, address bit " + std::to_string(bit) + " of a width of " +
                std::to_string(width),
            true, sink);
      }
    }
  }
}

void guest_state(const Sink& sink) {
  for (const Guest guest :
       {Guest::kNone, Guest::k32Bit, Guest::kPae, Guest::k4Level, Guest::k5Level}) {
    const MachineState state({.guest = guest});
    const std::string text(name(guest));
    put(state, text + " guest", true, sink);
    for (const unsigned width : {40U, 46U, 52U}) {
      for (unsigned bit = width; bit < 61; ++bit) {
        MachineState wide = state;
        wide.context.cpu.maxphyaddr = width;
        wide.context.cr3 |= std::uint64_t{1} << bit;
        put(wide,
            text + " guest, CR3 bit " + std::to_string(bit) + " of a width of " +
                std::to_string(width),
            false, sink);
      }
    }
  }
  MachineState unprotected;
  unprotected.context.cr0 &= ~std::uint64_t{1};
  put(unprotected, "CR0.PG without CR0.PE", false, sink);
  MachineState no_pae;
  no_pae.context.cr4 &= ~std::uint64_t{0x20};
  put(no_pae, "EFER.LMA without CR4.PAE", false, sink);
  MachineState no_lme;
  no_lme.context.efer &= ~std::uint64_t{0x100};
  put(no_lme, "EFER.LMA without EFER.LME", false, sink);
}

/// The four PDPTEs of PAE paging: bits 2:1, 8:5 and from the width up are reserved, if present.
void pdptes(const Sink& sink) {
  for (unsigned bit = 1; bit < 64; ++bit) {
    for (const unsigned width : {40U, 46U, 52U}) {
      for (const bool present : {false, true}) {
        for (const unsigned which : {0U, 3U}) {  // not the one in use
          MachineState state({.guest = Guest::kPae});
          state.context.cpu.maxphyaddr = width;
          (*state.context.pdptes)[which] = (present ? 1U : 0U) | (std::uint64_t{1} << bit);
          const bool reserved = bit <= 2 || (bit >= 5 && bit <= 8) || bit >= width;
          put(state,
              "PDPTE " + std::to_string(which) + (present ? " present" : " absent") + " with bit " +
                  std::to_string(bit) + " of a width of " + std::to_string(width),
              !present || !reserved, sink);
        }
      }
    }
  }
}

}  // namespace

void vm_entry(const Sink& sink) {
  eptp(sink);
  controls(sink);
  guest_state(sink);
  pdptes(sink);
}

}  // namespace eptsim::tb::conformance
