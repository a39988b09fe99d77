#pragma once

#include <cstdint>
#include <optional>

namespace eptsim::mmu {

/// Which cached translations an operation removes: those of the named kinds that fit every part
/// given (SDM 31.4). More than the SDM asks may always be removed, never less. Every instruction
/// and event of section 31.4.3 is one or two of these.
///
/// TLB entries and combined structure-cache entries made with EPT on are combined mappings, those
/// made with EPT off linear mappings; what the EPT-structure caches and the nested TLB hold are
/// guest-physical mappings, which carry no VPID, PCID or linear address: for them only `ept_root`
/// and `gpa` count.
struct InvalidationScope {
  // Kinds.
  bool linear_mappings = true;
  bool combined_mappings = true;
  bool guest_physical_mappings = false;

  // Tags; absent: any.
  std::optional<std::uint16_t> vpid = {};
  bool keep_vpid_zero = false;                 ///< every VPID but 0000H
  std::optional<std::uint16_t> pcid = {};      ///< global TLB entries fit any
  std::optional<std::uint64_t> ept_root = {};  ///< EPTRTA, as an address; no linear mapping fits
  bool keep_globals = false;                   ///< of TLB entries: nothing else is ever global

  // Addresses; absent: any.
  std::optional<std::uint64_t> linear = {};  ///< every piece of the guest page that holds this
  bool piece_alone = false;  ///< with `linear`: only what translates it, not its fellow pieces
  /// With `linear`: of the structure caches only what a walk of it would use; otherwise `linear`
  /// does not narrow them, as INVLPG removes them for the whole PCID.
  bool structures_of_address_alone = false;
  std::optional<std::uint64_t> gpa = {};  ///< guest-physical mappings that a walk of this would use

  /// For checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(linear_mappings, combined_mappings, guest_physical_mappings, vpid, keep_vpid_zero, pcid,
            ept_root, keep_globals, linear, piece_alone, structures_of_address_alone, gpa);
  }
};

}  // namespace eptsim::mmu
