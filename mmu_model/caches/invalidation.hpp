#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/registers.hpp"
#include "mmu_model/invalidation_scope.hpp"

/// What each instruction and event removes from what a logical processor remembers of translations:
/// a function for each, which gives the scopes to remove, no more than the SDM asks
/// (SDM 5.10.4.1, 31.4.3.1). Nothing here checks operands, privileges or support: that is the
/// instructions' business.
///
/// Left out are the events that remove nothing: EPT misconfigurations (nothing was cached), VMXON
/// and VMXOFF.
namespace eptsim::mmu {

struct WalkContext;
struct Request;
struct Outcome;

/// Whose translations a logical processor makes and uses at the moment (SDM 5.10.1, 31.1, 31.4.1).
struct CurrentTags {
  std::uint16_t vpid = 0;  ///< 0000H outside VMX non-root operation and without "enable VPID"
  std::uint16_t pcid = 0;  ///< 000H without CR4.PCIDE
  std::optional<std::uint64_t> ept_root = {};  ///< EPTRTA, as an address; absent with EPT off
};
CurrentTags current_tags(const WalkContext& context);

/// None, one or two scopes. Empty: nothing need go.
class InvalidationScopes {
 public:
  constexpr InvalidationScopes() = default;
  constexpr InvalidationScopes(const InvalidationScope& only) : scopes_{only}, count_(1) {}
  constexpr InvalidationScopes(const InvalidationScope& first, const InvalidationScope& second)
      : scopes_{first, second}, count_(2) {}

  constexpr const InvalidationScope* begin() const { return scopes_.data(); }
  constexpr const InvalidationScope* end() const { return scopes_.data() + count_; }
  constexpr std::size_t size() const { return count_; }
  constexpr bool empty() const { return count_ == 0; }

  /// For checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(scopes_, count_);
  }

 private:
  std::array<InvalidationScope, 2> scopes_{};
  std::size_t count_ = 0;
};

/// The types of the three instructions, numbered as their register operands are.
enum class InvpcidType : std::uint8_t { kAddress, kSingle, kAllWithGlobals, kAllButGlobals };
enum class InvvpidType : std::uint8_t { kAddress, kSingle, kAll, kSingleButGlobals };
enum class InveptType : std::uint8_t { kSingle = 1, kAll = 2 };

namespace invalidation {

// --- Instructions that know nothing of VMX: the current VPID's linear mappings, and its combined
// mappings of every EPTRTA -----------------------------------------------------------------------

constexpr InvalidationScopes invlpg(const CurrentTags& current, std::uint64_t linear) {
  return InvalidationScope{.vpid = current.vpid, .pcid = current.pcid, .linear = linear};
}

/// `pcid` and `linear` are the descriptor's; not every type looks at them.
constexpr InvalidationScopes invpcid(const CurrentTags& current, InvpcidType type,
                                     std::uint16_t pcid, std::uint64_t linear) {
  switch (type) {
    case InvpcidType::kAddress:
      return InvalidationScope{.vpid = current.vpid,
                               .pcid = pcid,
                               .keep_globals = true,
                               .linear = linear,
                               .structures_of_address_alone = true};
    case InvpcidType::kSingle:
      return InvalidationScope{.vpid = current.vpid, .pcid = pcid, .keep_globals = true};
    case InvpcidType::kAllWithGlobals: return InvalidationScope{.vpid = current.vpid};
    case InvpcidType::kAllButGlobals: break;
  }
  return InvalidationScope{.vpid = current.vpid, .keep_globals = true};
}

/// MOV to CR3 of `source`, whose bit 63 asks to keep what is cached if CR4.PCIDE (`pcide`) is set.
constexpr InvalidationScopes mov_to_cr3(const CurrentTags& current, std::uint64_t source,
                                        bool pcide) {
  if (pcide && (source >> 63) != 0) return {};
  const auto pcid = static_cast<std::uint16_t>(pcide ? arch::cr3::kPcid.get(source) : 0);
  return InvalidationScope{.vpid = current.vpid, .pcid = pcid, .keep_globals = true};
}

/// `current` as before the instruction.
constexpr InvalidationScopes mov_to_cr4(const CurrentTags& current, std::uint64_t old_cr4,
                                        std::uint64_t new_cr4) {
  const std::uint64_t changed = old_cr4 ^ new_cr4;
  if (arch::cr4::kPge.any(changed) || arch::cr4::kPcide.any(changed & old_cr4)) {
    return InvalidationScope{.vpid = current.vpid};
  }
  if (arch::cr4::kPae.any(changed) || arch::cr4::kSmep.any(changed & new_cr4)) {
    return InvalidationScope{.vpid = current.vpid, .pcid = current.pcid};
  }
  return {};
}

constexpr InvalidationScopes mov_to_cr0(const CurrentTags& current, std::uint64_t old_cr0,
                                        std::uint64_t new_cr0) {
  if (!arch::cr0::kPg.any(old_cr0 & ~new_cr0)) return {};
  return InvalidationScope{.vpid = current.vpid};
}

// --- Faults --------------------------------------------------------------------------------------

constexpr InvalidationScopes page_fault(const CurrentTags& current, std::uint64_t linear) {
  return InvalidationScope{.vpid = current.vpid,
                           .pcid = current.pcid,
                           .linear = linear,
                           .structures_of_address_alone = true};
}

/// Also one that became a virtualization exception. `linear`: the address whose translation `gpa`
/// was, if it was one: not so for an access to a paging-structure entry. The current EPTRTA is
/// there, since the EPT is on.
constexpr InvalidationScopes ept_violation(const CurrentTags& current,
                                           std::optional<std::uint64_t> linear, std::uint64_t gpa) {
  const InvalidationScope guest_physical{.linear_mappings = false,
                                         .combined_mappings = false,
                                         .guest_physical_mappings = true,
                                         .ept_root = current.ept_root,
                                         .gpa = gpa};
  if (!linear) return guest_physical;
  return {guest_physical, InvalidationScope{.linear_mappings = false,
                                            .vpid = current.vpid,
                                            .pcid = current.pcid,
                                            .ept_root = current.ept_root,
                                            .linear = linear,
                                            .piece_alone = true,
                                            .structures_of_address_alone = true}};
}

/// Of a walk of `request` in `context` that ended in `outcome`.
InvalidationScopes after(const WalkContext& context, const Request& request,
                         const Outcome& outcome);

// --- VMX -----------------------------------------------------------------------------------------

/// VM entry or VM exit: `vpid_enabled` is the control of the VMCS concerned.
constexpr InvalidationScopes vm_transition(bool vpid_enabled) {
  if (vpid_enabled) return {};
  return InvalidationScope{.vpid = std::uint16_t{0}};
}

/// `vpid` and `linear` are the descriptor's; not every type looks at them.
constexpr InvalidationScopes invvpid(InvvpidType type, std::uint16_t vpid, std::uint64_t linear) {
  switch (type) {
    case InvvpidType::kAddress:
      return InvalidationScope{.vpid = vpid, .linear = linear, .structures_of_address_alone = true};
    case InvvpidType::kSingle: return InvalidationScope{.vpid = vpid};
    case InvvpidType::kAll: return InvalidationScope{.keep_vpid_zero = true};
    case InvvpidType::kSingleButGlobals: break;
  }
  return InvalidationScope{.vpid = vpid, .keep_globals = true};
}

/// `eptp` is the descriptor's: bits 51:12 of it count.
constexpr InvalidationScopes invept(InveptType type, std::uint64_t eptp) {
  InvalidationScope scope{.linear_mappings = false, .guest_physical_mappings = true};
  if (type == InveptType::kSingle) scope.ept_root = eptp & arch::eptp::kAddress.mask();
  return scope;
}

/// VM function 0, after it has succeeded.
constexpr InvalidationScopes vmfunc_eptp_switch(bool vpid_enabled) {
  if (vpid_enabled) return {};
  return InvalidationScope{.linear_mappings = false, .vpid = std::uint16_t{0}};
}

constexpr InvalidationScopes reset() { return InvalidationScope{.guest_physical_mappings = true}; }

}  // namespace invalidation
}  // namespace eptsim::mmu
