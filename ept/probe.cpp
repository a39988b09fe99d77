#include "ept/probe.hpp"

#include "ept/guest_format.hpp"

namespace eptsim::ept {

using arch::AccessKind;
using arch::Gpa;
using arch::Gva;
using arch::Hpa;
using arch::PageSize;

namespace {

/// One guest-physical access, as the EPT judges it.
struct GpaAccess {
  bool read = false;
  bool write = false;
  bool fetch = false;
  bool paging = false;                   ///< of a guest paging structure
  bool user_address = false;             ///< of a user-mode linear address
  bool supervisor_shadow_stack = false;  ///< and EPTP bit 7 is set
  std::uint64_t qualification = 0;       ///< the bits that do not depend on the entries
};

/// What a walk that got to a leaf has gathered.
struct Reached {
  Hpa hpa;  ///< of the byte
  std::optional<PageSize> page_size;
  Permission rights = kAllAccess;  ///< the AND over all levels
  bool tables_write = true;        ///< the AND of WRITE over the levels above the leaf
  EntryAt leaf;
};

using ReachedOutcome = std::variant<Reached, EptViolation, EptMisconfiguration>;

constexpr std::uint64_t kind_bits(AccessKind kind) {
  using namespace arch::qualification;
  switch (kind) {
    case AccessKind::kRead: return kRead.mask();
    case AccessKind::kWrite: return kWrite.mask();
    case AccessKind::kFetch: return kFetch.mask();
    case AccessKind::kReadModifyWrite: return kRead.mask() | kWrite.mask();
    case AccessKind::kShadowStackRead: return kRead.mask() | kShadowStack.mask();
    case AccessKind::kShadowStackWrite: return kWrite.mask() | kShadowStack.mask();
  }
  return 0;
}

constexpr bool is_shadow_stack(AccessKind kind) {
  return kind == AccessKind::kShadowStackRead || kind == AccessKind::kShadowStackWrite;
}

/// The access of an instruction, without what is known of its linear address.
GpaAccess access_of(AccessKind kind, std::uint64_t known) {
  using namespace arch::qualification;
  const std::uint64_t bits = kind_bits(kind);
  return {.read = kRead.any(bits),
          .write = kWrite.any(bits),
          .fetch = kFetch.any(bits),
          .qualification = bits | known};
}

/// The walk of the EPT for single guest-physical addresses (SDM 31.3.2, 31.3.3).
class EptWalk {
 public:
  EptWalk(const arch::PhysicalMemory& memory, std::optional<Hpa> root, const Settings& settings)
      : memory_(memory), root_(root), settings_(settings) {}

  bool is_on() const { return root_.has_value(); }
  std::uint64_t read64(Hpa address) const { return memory_.read64(address); }
  const Settings& settings() const { return settings_; }

  /// Goes down to the leaf and judges the access there.
  ReachedOutcome translate(Gpa gpa, const GpaAccess& access) const {
    if (!root_) return Reached{.hpa = Hpa(gpa.value()), .page_size = {}, .leaf = {}};
    auto outcome = reach(gpa, access);
    if (const auto* reached = std::get_if<Reached>(&outcome)) {
      if (auto violation = refuse(gpa, *reached, access)) return *violation;
    }
    return outcome;
  }

  /// Judges an access through a leaf that was reached before.
  std::optional<EptViolation> refuse(Gpa gpa, const Reached& reached,
                                     const GpaAccess& access) const {
    if (!root_ || allows(reached, access)) return std::nullopt;
    return EptViolation{gpa, access.qualification | rights_bits(reached), reached.leaf};
  }

 private:
  ReachedOutcome reach(Gpa gpa, const GpaAccess& access) const {
    if (settings_.depth == 4 && gpa.value() >> 48 != 0) {
      return EptViolation{gpa, access.qualification, {}};
    }
    Reached reached;
    Hpa table = *root_;
    for (unsigned level = settings_.depth;; --level) {
      const Hpa address = table + 8 * arch::table_index(gpa.value(), level);
      const EntryAt at{level, address, memory_.read64(address)};
      if (!format::is_present(at.value, settings_)) {
        return EptViolation{gpa, access.qualification, at};
      }
      if (const auto rule = format::broken_rule(at.value, level, settings_)) {
        return EptMisconfiguration{gpa, at, *rule};
      }
      const Permission rights = Permission::of(at.value);
      reached.rights.read &= rights.read;
      reached.rights.write &= rights.write;
      reached.rights.execute &= rights.execute;
      reached.rights.user_execute &= rights.user_execute;
      table = format::address(at.value, level, settings_);
      if (format::maps_page(at.value, level)) {
        reached.hpa = table + gpa.offset_in(format::coverage(level));
        reached.page_size = arch::page_of_level(level);
        reached.leaf = at;
        return reached;
      }
      reached.tables_write &= rights.write;
    }
  }

  bool allows(const Reached& reached, const GpaAccess& access) const {
    const std::uint64_t leaf = reached.leaf.value;
    if (access.supervisor_shadow_stack) {
      return reached.rights.read && reached.tables_write &&
             arch::ept_entry::kSupervisorShadowStack.any(leaf);
    }
    if (access.read && !reached.rights.read) return false;
    if (access.write && !reached.rights.write) {
      // Paging-write access (SDM 31.3.3.2) makes up for WRITE of the leaf alone.
      const bool rescued = access.paging && settings_.paging_write && reached.rights.read &&
                           reached.tables_write && arch::ept_entry::kPagingWriteAccess.any(leaf);
      if (!rescued) return false;
    }
    if (access.fetch) {
      return settings_.mode_based_execute && access.user_address ? reached.rights.user_execute
                                                                 : reached.rights.execute;
    }
    return true;
  }

  std::uint64_t rights_bits(const Reached& reached) const {
    using namespace arch::qualification;
    std::uint64_t bits = 0;
    bits = kReadable.set(bits, reached.rights.read);
    bits = kWritable.set(bits, reached.rights.write);
    bits = kExecutable.set(bits, reached.rights.execute);
    bits = kUserExecutable.set(bits, settings_.mode_based_execute && reached.rights.user_execute);
    const bool bit60 = settings_.supervisor_shadow_stack &&
                       arch::ept_entry::kSupervisorShadowStack.any(reached.leaf.value);
    return kSupervisorShadowStack.set(bits, bit60);
  }

  const arch::PhysicalMemory& memory_;
  std::optional<Hpa> root_;
  const Settings& settings_;
};

/// The walk of a guest's paging structures for one linear address (SDM chapter 5).
class GuestWalk {
 public:
  GuestWalk(const EptWalk& ept, const GuestState& guest, Gva gva, Access access)
      : ept_(ept),
        guest_(guest),
        gva_(gva),
        kind_(access.kind),
        user_(access.user && !access.implicit),
        implicit_(access.implicit),
        mode_(guest.mode()) {}

  GvaOutcome run() {
    if (mode_ == PagingMode::kNone) return finish(Gpa(gva_.value() & 0xffff'ffff), {}, true);
    if (is_long() && refused_before_paging()) return GeneralProtection{gva_};
    if (!is_long()) gva_ = Gva(gva_.value() & 0xffff'ffff);

    const guest::Format format(mode_);
    unsigned level = format.levels();
    Gpa table(guest_.cr3 & (is_long() ? ept_.settings().address_mask() : 0xffff'f000));
    if (mode_ == PagingMode::kPae) {
      const std::uint64_t pdpte = guest_.pdptes[gva_.value() >> 30 & 3];
      if (!arch::guest_entry::kPresent.any(pdpte)) return fault(0, {});
      table = Gpa(pdpte & ept_.settings().address_mask());
      --level;
    }
    for (;; --level) {
      const Gpa entry_gpa = table + format.index(gva_, level) * format.entry_bytes();
      const auto outcome = ept_.translate(entry_gpa, entry_read());
      const auto* reached = std::get_if<Reached>(&outcome);
      if (reached == nullptr) return failure(outcome);
      const EntryAt at{level, reached->hpa, read_entry(reached->hpa, format)};

      using namespace arch::guest_entry;
      if (!kPresent.any(at.value)) return fault(0, at);
      const bool leaf = format.maps_page(at.value, level, arch::cr4::kPse.any(guest_.cr4));
      if ((at.value & reserved_bits(level, leaf)) != 0) {
        return fault(arch::error_code::kPresent.mask() | arch::error_code::kReserved.mask(), at);
      }
      if (!kAccessed.any(at.value)) {
        if (auto violation = ept_.refuse(entry_gpa, *reached, entry_update())) return *violation;
      }
      user_page_ = user_page_ && kUser.any(at.value);
      execute_disable_ = execute_disable_ || (nxe() && kExecuteDisable.any(at.value));
      if (!leaf) {
        writable_ = writable_ && kWritable.any(at.value);
        table = Gpa(format.table_address(at.value, ept_.settings().address_mask()));
        continue;
      }

      const bool tables_writable = writable_;
      writable_ = writable_ && kWritable.any(at.value);
      const std::uint64_t refusal = refused_rights(at.value, tables_writable);
      if (refusal != 0) return fault(refusal, at);
      if (arch::is_write(kind_) && !kDirty.any(at.value)) {
        if (auto violation = ept_.refuse(entry_gpa, *reached, entry_update())) return *violation;
      }
      const PageSize size = format.page_size(level);
      const std::uint64_t page =
          format.page_address(at.value, size, ept_.settings().address_mask());
      return finish(Gpa(page + gva_.offset_in(arch::bytes(size))), size, user_page_);
    }
  }

 private:
  bool is_long() const { return mode_ == PagingMode::k4Level || mode_ == PagingMode::k5Level; }
  bool nxe() const { return mode_ != PagingMode::k32Bit && arch::efer::kNxe.any(guest_.efer); }
  bool has(arch::BitField cr4_bit) const { return cr4_bit.any(guest_.cr4); }

  /// Canonicality and LASS (SDM 4.4, 4.5.2): both come before paging.
  bool refused_before_paging() const {
    if (!arch::is_canonical(gva_.value(), mode_ == PagingMode::k5Level ? 57 : 48)) return true;
    if (!has(arch::cr4::kLass)) return false;
    const bool upper_half = gva_.value() >> 63 != 0;
    if (user_) return upper_half;
    if (upper_half) return false;
    return kind_ == AccessKind::kFetch ||
           (has(arch::cr4::kSmap) && (implicit_ || !guest_.rflags_ac));
  }

  /// With EPT accessed and dirty flags on, every access to a guest's entry counts as a write.
  GpaAccess entry_read() const {
    if (ept_.settings().accessed_dirty) return entry_update();
    using namespace arch::qualification;
    return {.read = true, .paging = true, .qualification = kRead.mask() | kLinearValid.mask()};
  }
  GpaAccess entry_update() const {
    using namespace arch::qualification;
    return {.read = true,
            .write = true,
            .paging = true,
            .qualification = kRead.mask() | kWrite.mask() | kLinearValid.mask()};
  }

  std::uint64_t read_entry(Hpa address, const guest::Format& format) const {
    const std::uint64_t word = ept_.read64(address.align_down(8));
    return format.entry_bytes() == 8 ? word : (word >> 8 * address.offset_in(8)) & 0xffff'ffff;
  }

  std::uint64_t reserved_bits(unsigned level, bool leaf) const {
    return guest::reserved_bits(mode_, level, leaf, ept_.settings().maxphyaddr, nxe(),
                                guest_.page_1g);
  }

  /// Whether the page's protection key refuses a data access (SDM 5.6.2).
  bool refused_by_key(std::uint64_t leaf) const {
    if (!is_long() || kind_ == AccessKind::kFetch) return false;
    if (!has(user_page_ ? arch::cr4::kPke : arch::cr4::kPks)) return false;
    const auto key = static_cast<unsigned>(arch::guest_entry::kProtectionKey.get(leaf));
    const std::uint32_t keys = (user_page_ ? guest_.pkru : guest_.pkrs) >> (2 * key);
    const bool write_protect = arch::cr0::kWp.any(guest_.cr0);
    const bool write_counts = user_page_ ? user_ || write_protect : write_protect;
    return (keys & 1) != 0 || ((keys & 2) != 0 && arch::is_write(kind_) && write_counts);
  }

  /// Whether the modes and flags refuse the access, protection keys apart (SDM 5.6.1).
  bool refused_by_rights(std::uint64_t leaf, bool tables_writable) const {
    if (is_shadow_stack(kind_)) {
      using namespace arch::guest_entry;
      const bool shadow_stack_page = tables_writable && !kWritable.any(leaf) && kDirty.any(leaf);
      return !shadow_stack_page || user_ != user_page_;
    }
    if (user_ && !user_page_) return true;
    if (kind_ == AccessKind::kFetch) {
      return execute_disable_ || (!user_ && user_page_ && has(arch::cr4::kSmep));
    }
    if (!user_ && user_page_ && has(arch::cr4::kSmap) && (implicit_ || !guest_.rflags_ac)) {
      return true;
    }
    return arch::is_write(kind_) && !writable_ && (user_ || arch::cr0::kWp.any(guest_.cr0));
  }

  /// The error code's bits for a leaf that refuses the access; 0 if it does not.
  std::uint64_t refused_rights(std::uint64_t leaf, bool tables_writable) const {
    const bool key = refused_by_key(leaf);
    if (!key && !refused_by_rights(leaf, tables_writable)) return 0;
    return arch::error_code::kPresent.mask() | arch::error_code::kProtectionKey.set(0, key);
  }

  PageFault fault(std::uint64_t reason, const EntryAt& at) const {
    using namespace arch::error_code;
    std::uint64_t code = reason;
    code = kWrite.set(code, arch::is_write(kind_));
    code = kUser.set(code, user_);
    code = kFetch.set(code, kind_ == AccessKind::kFetch && (nxe() || has(arch::cr4::kSmep)));
    code = kShadowStack.set(code, is_shadow_stack(kind_));
    return {gva_, code, at};
  }

  static GvaOutcome failure(const ReachedOutcome& outcome) {
    if (const auto* violation = std::get_if<EptViolation>(&outcome)) return *violation;
    return std::get<EptMisconfiguration>(outcome);
  }

  /// The final guest-physical address, by itself.
  GvaOutcome finish(Gpa gpa, std::optional<PageSize> guest_page_size, bool user_address) const {
    using namespace arch::qualification;
    GpaAccess access = access_of(kind_, kLinearValid.mask() | kFinal.mask());
    access.user_address = user_address;
    access.supervisor_shadow_stack =
        is_shadow_stack(kind_) && !user_ && ept_.settings().supervisor_shadow_stack;
    if (ept_.settings().advanced_exit_info) {
      access.qualification |= kUserAddress.set(0, user_address) | kGuestWritable.set(0, writable_) |
                              kGuestNx.set(0, execute_disable_);
    }
    const auto outcome = ept_.translate(gpa, access);
    const auto* reached = std::get_if<Reached>(&outcome);
    if (reached == nullptr) return failure(outcome);
    return Translated{gpa, reached->hpa, guest_page_size, reached->page_size};
  }

  const EptWalk& ept_;
  const GuestState& guest_;
  Gva gva_;
  AccessKind kind_;
  bool user_;
  bool implicit_;
  PagingMode mode_;
  bool user_page_ = true;  ///< U/S over the entries so far
  bool writable_ = true;   ///< R/W
  bool execute_disable_ = false;
};

}  // namespace

Probe::Probe(const arch::PhysicalMemory& memory, std::optional<std::uint64_t> eptp,
             const Settings& settings)
    : memory_(&memory), settings_(settings) {
  using namespace arch::eptp;
  if (!eptp) {
    settings_.accessed_dirty = false;
    settings_.supervisor_shadow_stack = false;
    return;
  }
  root_ = Hpa(*eptp & settings.address_mask());
  settings_.depth = static_cast<unsigned>(kWalkLength.get(*eptp)) + 1;
  settings_.accessed_dirty = kAccessedDirty.any(*eptp);
  settings_.supervisor_shadow_stack = kSupervisorShadowStack.any(*eptp);
}

GpaOutcome Probe::gpa_to_hpa(Gpa gpa, AccessKind kind) const {
  GpaAccess access = access_of(kind, 0);
  access.supervisor_shadow_stack = is_shadow_stack(kind) && settings_.supervisor_shadow_stack;
  const auto outcome = EptWalk(*memory_, root_, settings_).translate(gpa, access);
  if (const auto* violation = std::get_if<EptViolation>(&outcome)) return *violation;
  if (const auto* misconfiguration = std::get_if<EptMisconfiguration>(&outcome)) {
    return *misconfiguration;
  }
  const Reached& reached = std::get<Reached>(outcome);
  return Translated{gpa, reached.hpa, {}, reached.page_size};
}

GvaOutcome Probe::gva_to_hpa(const GuestState& guest, Gva gva, Access access) const {
  return GuestWalk(EptWalk(*memory_, root_, settings_), guest, gva, access).run();
}

}  // namespace eptsim::ept
