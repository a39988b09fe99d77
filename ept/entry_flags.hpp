#pragma once

#include <cstdint>

#include "ept/arch/ept_entry.hpp"

namespace eptsim::ept {

/// The rights of an EPT entry (SDM 31.3.2). A guest-physical access needs its right at every level.
struct Permission {
  bool read = false;
  bool write = false;
  bool execute = false;       ///< with mode-based execute control, from supervisor-mode addresses
  bool user_execute = false;  ///< with mode-based execute control, from user-mode addresses

  static constexpr std::uint64_t mask() {
    return arch::ept_entry::kRead.mask() | arch::ept_entry::kWrite.mask() |
           arch::ept_entry::kExecute.mask() | arch::ept_entry::kUserExecute.mask();
  }
  constexpr std::uint64_t bits() const {
    return arch::ept_entry::kRead.set(0, read) | arch::ept_entry::kWrite.set(0, write) |
           arch::ept_entry::kExecute.set(0, execute) |
           arch::ept_entry::kUserExecute.set(0, user_execute);
  }
  /// The rights in an entry's value.
  static constexpr Permission of(std::uint64_t entry) {
    return {arch::ept_entry::kRead.any(entry), arch::ept_entry::kWrite.any(entry),
            arch::ept_entry::kExecute.any(entry), arch::ept_entry::kUserExecute.any(entry)};
  }
  friend constexpr bool operator==(const Permission&, const Permission&) = default;
};

inline constexpr Permission kReadOnly{.read = true};
inline constexpr Permission kReadWrite{.read = true, .write = true};
inline constexpr Permission kReadExecute{.read = true, .execute = true, .user_execute = true};
inline constexpr Permission kAllAccess{true, true, true, true};

/// A set of flags of an EPT entry, by the manual's names. Address, memory type and ignored bits are
/// not among them.
class Flags {
 public:
  constexpr Flags() = default;
  explicit constexpr Flags(arch::BitField field) : bits_(field.mask()) {}
  /// The flags that are set in an entry's value, of those in `known`.
  static constexpr Flags of(std::uint64_t entry, Flags known) { return Flags(entry & known.bits_); }

  constexpr std::uint64_t bits() const { return bits_; }
  constexpr bool contains(Flags flags) const { return (bits_ & flags.bits_) == flags.bits_; }
  constexpr bool empty() const { return bits_ == 0; }

  friend constexpr Flags operator|(Flags a, Flags b) { return Flags(a.bits_ | b.bits_); }
  friend constexpr Flags operator&(Flags a, Flags b) { return Flags(a.bits_ & b.bits_); }
  friend constexpr bool operator==(Flags, Flags) = default;

 private:
  explicit constexpr Flags(std::uint64_t bits) : bits_(bits) {}
  std::uint64_t bits_ = 0;
};

namespace flag {
inline constexpr Flags kRead{arch::ept_entry::kRead};
inline constexpr Flags kWrite{arch::ept_entry::kWrite};
inline constexpr Flags kExecute{arch::ept_entry::kExecute};
inline constexpr Flags kIgnorePat{arch::ept_entry::kIgnorePat};
inline constexpr Flags kPageSize{arch::ept_entry::kPageSize};
inline constexpr Flags kAccessed{arch::ept_entry::kAccessed};
inline constexpr Flags kDirty{arch::ept_entry::kDirty};
inline constexpr Flags kUserExecute{arch::ept_entry::kUserExecute};
inline constexpr Flags kVerify{arch::ept_entry::kVerify};
inline constexpr Flags kPagingWriteAccess{arch::ept_entry::kPagingWriteAccess};
inline constexpr Flags kSupervisorShadowStack{arch::ept_entry::kSupervisorShadowStack};
inline constexpr Flags kSubpageWritePermission{arch::ept_entry::kSubpageWritePermission};
inline constexpr Flags kSuppressVe{arch::ept_entry::kSuppressVe};
}  // namespace flag

}  // namespace eptsim::ept
