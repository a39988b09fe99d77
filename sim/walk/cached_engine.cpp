#include "sim/walk/cached_engine.hpp"

#include <fmt/format.h>

#include <array>

#include "ept/arch/registers.hpp"
#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/vmx/linear_operands.hpp"
#include "mmu_model/walk/page_parts.hpp"
#include "mmu_model/word_access.hpp"
#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

/// The machine's TLBs, and structure caches of the size that processors are measured to have.
mmu::CacheSettings cache_settings(const mmu::MachineSettings& machine) {
  constexpr mmu::StructureCacheSettings kTwo{.entries = 2, .ways = 2};
  constexpr mmu::StructureCacheSettings kFour{.entries = 4, .ways = 4};
  constexpr mmu::StructureCacheSettings kMany{.entries = 32, .ways = 4};
  constexpr std::array<mmu::StructureCacheSettings, 6> kByLevel = {
      {{}, {}, kMany, kFour, kTwo, kTwo}};
  return {.l1i = machine.l1i,
          .l1d = machine.l1d,
          .l2 = machine.l2,
          .combined = kByLevel,
          .ept = kByLevel,
          .nested_tlb = {.entries = 64, .ways = 4}};
}

/// What INVEPT and INVVPID do with a bad operand (SDM 33.3).
constexpr const char* kVmFail = "VMfail, error 28";

}  // namespace

CachedEngine::CachedEngine(const mmu::Context& context, arch::PhysicalMemory& memory,
                           const mmu::MachineSettings& machine)
    : context_(context),
      memory_(memory),
      memory_cycles_(machine.memory.dram.cycles),
      caches_(cache_settings(machine), machine.seed) {
  if (const auto error = load_pdptes(context_, memory_)) {
    throw InputError("--context", error->text);
  }
}

void CachedEngine::answer(const mmu::Request& request, WalkAnswer& answer) {
  answer.recording.references.clear();
  answer.recording.writes.clear();
  answer.tlb_hit = true;
  answer.second.reset();
  unsigned walks = 0;
  answer_page_by_page(context_, request, answer, [&](const mmu::Request& part) {
    const auto page = caches_.translate(context_, part, memory_, answer.recording);
    context_.raw.pml_index = page.pml_index;
    answer.tlb_hit = answer.tlb_hit && page.tlb_hit;
    if (!page.tlb_hit) ++walks;
    return page.outcome;
  });
  const std::size_t requests = answer.recording.references.size() + answer.recording.writes.size();
  answer.cycles = walks + requests * (memory_cycles_ + 1u);
}

void CachedEngine::apply(const ProcessorOperation& operation, const std::string& place) {
  switch (operation.kind) {
    case OperationKind::kStore:
      mmu::write(memory_, arch::Hpa(*operation.address), static_cast<unsigned>(*operation.size),
                 *operation.value);
      return;
    case OperationKind::kMovCr0:
    case OperationKind::kMovCr3:
    case OperationKind::kMovCr4: move_to_control_register(operation, place); return;
    default: invalidate(operation, place);
  }
}

mmu::WalkContext CachedEngine::checked(const mmu::Context& context, const std::string& place) {
  if (const auto error = mmu::check(context)) {
    throw InputError(place, fmt::format("refused: {}: {}", error->key, error->text));
  }
  mmu::WalkContext checked(context);
  if (const auto error = load_pdptes(checked, memory_)) {
    throw InputError(place, fmt::format("refused: {}", error->text));
  }
  return checked;
}

void CachedEngine::invalidate(const ProcessorOperation& operation, const std::string& place) {
  namespace invalidation = mmu::invalidation;
  const mmu::CurrentTags current = current_tags(context_);
  const std::uint64_t gva = operation.gva.value_or(0);
  const std::uint64_t linear = gva & context_.linear_mask;
  // A context has no CS.L: in IA-32e mode the code is 64-bit.
  const bool exists = mmu::invpcid_takes(linear, context_.long_mode, context_.linear_width);
  const auto vpid = static_cast<std::uint16_t>(operation.vpid.value_or(0));
  switch (operation.kind) {
    case OperationKind::kInvept: {
      if (*operation.type == 1) {
        mmu::Context with = context_.raw;
        with.ept_enabled = true;
        with.eptp = *operation.eptp;
        const auto error = mmu::check(with);
        if (error && error->key == "eptp") {
          throw InputError(place, fmt::format("invept: {}: eptp {}", kVmFail, error->text));
        }
      }
      caches_.invalidate(invalidation::invept(static_cast<mmu::InveptType>(*operation.type),
                                              operation.eptp.value_or(0)));
      return;
    }
    case OperationKind::kInvvpid: {
      const auto type = static_cast<mmu::InvvpidType>(*operation.type);
      if (type != mmu::InvvpidType::kAll && vpid == 0) {
        throw InputError(place, fmt::format("invvpid: {}: VPID 0 needs type 2", kVmFail));
      }
      if (type == mmu::InvvpidType::kAddress && !mmu::invvpid_takes(gva)) {
        throw InputError(place, fmt::format("invvpid: {}: gva is not canonical", kVmFail));
      }
      caches_.invalidate(invalidation::invvpid(type, vpid, gva));
      return;
    }
    case OperationKind::kInvpcid: {
      const auto type = static_cast<mmu::InvpcidType>(*operation.type);
      const auto pcid = static_cast<std::uint16_t>(operation.pcid.value_or(0));
      if (pcid != 0 && !arch::cr4::kPcide.any(context_.raw.cr4) &&
          (type == mmu::InvpcidType::kAddress || type == mmu::InvpcidType::kSingle)) {
        throw InputError(place, "invpcid: #GP(0): a PCID other than 0 needs CR4.PCIDE");
      }
      if (type == mmu::InvpcidType::kAddress && !exists) {
        throw InputError(place, "invpcid: #GP(0): gva is not canonical");
      }
      caches_.invalidate(invalidation::invpcid(current, type, pcid, linear));
      return;
    }
    case OperationKind::kInvlpg:
      if (exists) caches_.invalidate(invalidation::invlpg(current, linear));
      return;
    case OperationKind::kVmTransition:
      caches_.invalidate(invalidation::vm_transition(context_.raw.vpid != 0));
      return;
    case OperationKind::kVmfunc: {
      mmu::Context context = context_.raw;
      if (!context.ept_enabled || arch::eptp::kWalkLength.get(context.eptp) !=
                                      arch::eptp::kWalkLength.get(*operation.eptp)) {
        throw InputError(place,
                         "vmfunc: VM exit 59: EPT is off, or the EPTP has another walk length");
      }
      context.eptp = *operation.eptp;
      const auto pdptes = context_.pdptes;  // registers, not loaded again
      context_ = checked(context, place);
      context_.pdptes = pdptes;
      caches_.invalidate(invalidation::vmfunc_eptp_switch(context.vpid != 0));
      return;
    }
    default: return;
  }
}

void CachedEngine::move_to_control_register(const ProcessorOperation& operation,
                                            const std::string& place) {
  namespace invalidation = mmu::invalidation;
  const mmu::CurrentTags current = current_tags(context_);
  const bool pcide = arch::cr4::kPcide.any(context_.raw.cr4);
  mmu::Context context = context_.raw;
  mmu::InvalidationScopes scopes;
  const std::uint64_t value = *operation.value;
  if (operation.kind == OperationKind::kMovCr0) {
    scopes = invalidation::mov_to_cr0(current, context.cr0, value);
    context.cr0 = value;
    // LMA follows PG where LME is set (SDM 5.1.2).
    const bool lma = arch::cr0::kPg.any(value) && arch::efer::kLme.any(context.efer);
    context.efer = arch::efer::kLma.set(context.efer, lma ? 1 : 0);
  } else if (operation.kind == OperationKind::kMovCr4) {
    scopes = invalidation::mov_to_cr4(current, context.cr4, value);
    context.cr4 = value;
  } else {
    scopes = invalidation::mov_to_cr3(current, value, pcide);
    context.cr3 = value & (pcide ? ~std::uint64_t{0} >> 1 : ~std::uint64_t{0});
  }
  // With EPT on MOV to CR reads the PDPTEs through the EPT; here they are registers of the context.
  if (context_.pae && context_.ept) {
    throw InputError(place, "with PAE paging and EPT on the PDPTEs come from the context alone");
  }
  context_ = checked(context, place);
  caches_.invalidate(scopes);
}

}  // namespace eptsim::sim
