#pragma once

#include <tl/expected.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "ept/arch/access.hpp"
#include "ept/arch/page_size.hpp"
#include "ept/arch/physical_memory.hpp"
#include "ept/extended_page_table.hpp"
#include "ept/frame_allocator.hpp"
#include "ept/guest_state.hpp"

/// A builder of guest paging structures (SDM chapter 5): what a guest's operating system does.
namespace eptsim::ept {

/// Says where guest-physical memory lies. The builder asks it for the page of each table that it
/// reads or writes; one that maps pages on demand may do so when asked.
class GuestPhysicalMap {
 public:
  virtual ~GuestPhysicalMap() = default;
  /// The host-physical address of `gpa`, for a read or a write of the table; nothing if none is
  /// mapped there.
  virtual std::optional<arch::Hpa> host_address(arch::Gpa gpa, arch::AccessKind access) = 0;
};

/// No EPT: guest-physical is host-physical, as on a native machine.
class IdentityGuestPhysicalMap final : public GuestPhysicalMap {
 public:
  std::optional<arch::Hpa> host_address(arch::Gpa gpa, arch::AccessKind) override {
    return arch::Hpa(gpa.value());
  }
};

/// Guest-physical memory as an EPT maps it.
class EptGuestPhysicalMap final : public GuestPhysicalMap {
 public:
  /// `table` outlives it.
  explicit EptGuestPhysicalMap(const ExtendedPageTable& table) : table_(&table) {}
  std::optional<arch::Hpa> host_address(arch::Gpa gpa, arch::AccessKind access) override;

 private:
  const ExtendedPageTable* table_;
};

struct GuestSettings {
  PagingMode mode = PagingMode::k4Level;  ///< not kNone
  unsigned maxphyaddr = 46;               ///< width of guest-physical addresses the guest sees
  bool page_1g = true;                    ///< 1 GiB pages in 4- and 5-level paging
};

/// How a guest maps a page (SDM 5.6). In PAE, 4- and 5-level paging execute_disable needs EFER.NXE.
struct GuestPage {
  arch::PageSize size = arch::PageSize::k4K;
  bool writable = true;
  bool user = true;
  bool execute_disable = false;
  bool global = false;
  bool accessed = false;
  bool dirty = false;
  std::uint8_t protection_key = 0;  ///< 0 to 15, in 4- and 5-level paging
};

enum class GuestCreateError : std::uint8_t {
  kBadSettings,  ///< no paging, or a width out of range
  kOutOfMemory,  ///< no guest frame for the first table; in 32-bit and PAE paging, below 4 GiB
  kNotBacked,    ///< the first table's guest-physical page is not mapped
};

/// In the order in which `map` checks.
enum class GuestMapError : std::uint8_t {
  kPageSizeNotInMode,   ///< the paging mode has no pages of this size
  kUnaligned,           ///< an address is not a multiple of the page size
  kNotCanonical,        ///< not a linear address of the paging mode
  kAddressTooWide,      ///< a guest-physical address that the mode's entries cannot hold
  kBadAttribute,        ///< execute-disable or a protection key in a mode that has none
  kDuplicated,          ///< a page of this size is mapped there
  kCoveredByLargePage,  ///< a larger page is mapped there
  kCoversSmallerPages,  ///< a table is there: smaller pages are, or were, mapped
  kOutOfMemory,         ///< the allocator had too few guest frames
  kNotBacked,           ///< a table's guest-physical page is not mapped
};

enum class GuestUnmapError : std::uint8_t {
  kPageSizeNotInMode,
  kUnaligned,
  kNotCanonical,
  kNotExist,
  kWrongPageSize,  ///< a smaller or larger page, or a table, is there
  kNotBacked,
};

enum class GuestWalkError : std::uint8_t {
  kNotCanonical,
  kNotExist,
  kNotBacked,
};

std::string_view name(GuestCreateError error);
std::string_view name(GuestMapError error);
std::string_view name(GuestUnmapError error);
std::string_view name(GuestWalkError error);

/// The leaf of a guest's tables that maps a linear address.
struct GuestLeaf {
  arch::Gva gva;  ///< of the page
  arch::Gpa gpa;  ///< of the page
  arch::PageSize size = arch::PageSize::k4K;
  std::uint64_t entry = 0;  ///< 32 bits in 32-bit paging
  arch::Gpa entry_address;
};

/// A table of the last level, and the pages that it maps.
struct GuestLastTable {
  arch::Gpa frame;
  std::vector<GuestLeaf> pages;  ///< ascending
};

/// The paging structures of one guest process, in guest-physical memory. Its tables take frames
/// from a guest allocator and go back to it with the object.
///
/// A table is filled before it is linked; tables have every right, so that leaves decide. What the
/// guest's TLBs may hold after `unmap` is the caller's to invalidate (INVLPG).
class GuestTables {
 public:
  /// All three outlive it.
  [[nodiscard]] static tl::expected<GuestTables, GuestCreateError> create(
      arch::PhysicalMemory& memory, GuestPhysicalMap& where, GuestFrameAllocator& frames,
      const GuestSettings& settings);

  ~GuestTables();
  GuestTables(GuestTables&& other) noexcept;
  GuestTables& operator=(GuestTables&& other) noexcept;

  const GuestSettings& settings() const { return settings_; }
  /// The first table: what CR3 holds. In PAE paging it has the four PDPTEs.
  arch::Gpa root() const { return root_; }

  /// Maps the page at `gva` to the page at `gpa`. Refused, it has changed nothing. Of the tables
  /// that are missing the lowest gets the first frame of the allocator.
  [[nodiscard]] tl::expected<void, GuestMapError> map(arch::Gva gva, arch::Gpa gpa,
                                                      const GuestPage& page = {});
  /// Unmaps the page of `size` at `gva`, and says what it was. Tables stay.
  [[nodiscard]] tl::expected<GuestLeaf, GuestUnmapError> unmap(
      arch::Gva gva, arch::PageSize size = arch::PageSize::k4K);
  [[nodiscard]] tl::expected<GuestLeaf, GuestWalkError> walk(arch::Gva gva) const;
  /// The largest page around `gva` that `map` would take, tables being there for smaller ones or
  /// not: nothing where a page is mapped, or for what is no linear address of the paging mode.
  [[nodiscard]] std::optional<arch::PageSize> room_at(arch::Gva gva) const;

  /// The table with the 4 KiB page of `gva`, mapped or not; nothing if none is there.
  [[nodiscard]] std::optional<GuestLastTable> last_table(arch::Gva gva) const;
  /// Takes that table out, and all its pages with it, by one store. What processors may still know
  /// of it is the caller's to invalidate, and the frame his to free after that.
  [[nodiscard]] std::optional<GuestLastTable> take_last_table(arch::Gva gva);

  /// Registers of a guest that runs on these tables: protection, paging and write protection on,
  /// the mode's bits of CR4 and EFER, execute-disable where the mode has it, and in PAE paging the
  /// PDPTE registers as MOV CR3 would load them now (load them anew after a `map` that added one).
  GuestState state() const;

  /// What is not in memory, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(root_);
  }

 private:
  /// An entry found on the way down.
  struct Slot {
    arch::Gpa address;
    unsigned level;
    std::uint64_t entry;
  };

  GuestTables(arch::PhysicalMemory& memory, GuestPhysicalMap& where, GuestFrameAllocator& frames,
              const GuestSettings& settings, arch::Gpa root)
      : memory_(&memory), where_(&where), frames_(&frames), settings_(settings), root_(root) {}

  std::uint64_t address_mask() const;
  bool is_linear_address(arch::Gva gva) const;
  /// The level whose leaves map pages of `size`, or 0 if the mode has no such pages.
  unsigned leaf_level(arch::PageSize size) const;
  bool is_table(std::uint64_t entry, unsigned level) const;
  GuestLeaf leaf_at(const Slot& slot, arch::Gva gva) const;

  std::optional<arch::Hpa> host_address(arch::Gpa gpa, arch::AccessKind access) const;
  std::optional<std::uint64_t> read_entry(arch::Gpa address) const;
  /// One store of an entry's bytes; returns what was there, or nothing without a backing.
  std::optional<std::uint64_t> exchange_entry(arch::Gpa address, std::uint64_t entry);
  /// The entry for `gva` at level `lowest`, or the one above it at which the way down ends; nothing
  /// if a table is not backed.
  std::optional<Slot> find(arch::Gva gva, unsigned lowest) const;
  /// The entry that leads to the last table on the way to `gva`, if there is one.
  std::optional<Slot> find_last_table(arch::Gva gva) const;
  GuestLastTable read_last_table(const Slot& slot, arch::Gva gva) const;
  void free_tables(arch::Gpa table, unsigned level);

  arch::PhysicalMemory* memory_;
  GuestPhysicalMap* where_;
  GuestFrameAllocator* frames_;
  GuestSettings settings_;
  arch::Gpa root_;
};

}  // namespace eptsim::ept
