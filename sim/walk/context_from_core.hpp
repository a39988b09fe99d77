#pragma once

#include <cstdint>
#include <string>

#include "mmu_model/walk/context.hpp"

namespace eptsim::sim {

/// The translation context of processor `cpu` (0 the first) of a guest, from the ELF64 core that
/// QEMU's dump-guest-memory wrote: its notes called QEMU hold CR0, CR3, CR4, RFLAGS and CS. EPT is
/// off, for the dump shows guest-physical memory.
///
/// What the notes don't hold is concluded or takes its default. EFER: LMA and LME are set if paging
/// and CR4.PAE are on and either CS is a 64-bit segment or the core is for x86-64 (which is what
/// QEMU calls a guest in IA-32e mode); NXE is taken for set where the tables have the bit, as
/// every system of today does. PKRU, PKRS: 0; PAT: its value after reset. MAXPHYADDR is 46, or
/// more if memory lies higher.
///
/// Throws InputError: no core, no such notes, notes of another layout, no such processor, registers
/// that VM entry refuses.
mmu::Context context_from_core(const std::string& path, std::uint64_t cpu = 0);

/// `context` as a context file (docs/schema/context.schema.json), every key in it.
std::string context_as_json(const mmu::Context& context);

}  // namespace eptsim::sim
