#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ept/arch/guest_entry.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/walk_context.hpp"
#include "sim/walk/diagnosis.hpp"
#include "sim/walk/entry_change.hpp"

namespace eptsim::sim {

/// Makes one diagnosis. What is said of the guest's tables stands in guest_diagnosis.cpp, what of
/// the EPT in ept_diagnosis.cpp.
class Doctor {
 public:
  Doctor(const mmu::Context& context, const mmu::Request& request, const WalkAnswer& answer,
         const std::vector<WalkColumn>& path)
      : context_(context), rules_(context), request_(request), answer_(answer), path_(path) {}

  Diagnosis diagnose();

 private:
  /// The entry that decided; it was read, so it is on the path.
  const Visit* deciding() const {
    const Visit* found = nullptr;
    for (const WalkColumn& column : path_) {
      for (const Visit& visit : column.visits) {
        if (visit.reference.place == answer_.outcome.place &&
            visit.reference.address == answer_.outcome.entry_address) {
          found = &visit;
        }
      }
    }
    return found;
  }

  /// Whether the walk ended on the access itself, and not on a paging structure.
  bool at_the_access() const { return path_.empty() || path_.back().guest_level == 0; }

  /// Entries of the last translation by the EPT.
  std::vector<Visit> last_ept_entries() const {
    std::vector<Visit> entries;
    if (path_.empty()) return entries;
    for (const Visit& visit : path_.back().visits) {
      if (visit.table == TableKind::kEpt) entries.push_back(visit);
    }
    return entries;
  }

  /// Guest entries that translated the last linear address, from the root.
  std::vector<Visit> guest_entries() const {
    std::vector<Visit> entries;
    for (const WalkColumn& column : path_) {
      if (column.linear != path_.back().linear) continue;
      for (const Visit& visit : column.visits) {
        if (!visit.is_guest()) continue;
        if (!entries.empty() && entries.back().table != visit.table) entries.clear();  // restarted
        entries.push_back(visit);
      }
    }
    return entries;
  }

  bool user() const { return mmu::is_user_access(request_); }

  /// Whether every guest entry gives the page to the user; without paging each page is the user's.
  bool user_page() const {
    for (const Visit& entry : guest_entries()) {
      if (!arch::guest_entry::kUser.any(entry.reference.value)) return false;
    }
    return true;
  }

  /// Which execute bit the EPT is asked for: by U/S of the guest's entries, not by CPL.
  BitChange execute_bit() const {
    return context_.controls.mode_based_execute && request_.linear && user_page()
               ? BitChange{10, "USER_EXECUTE", true}
               : BitChange{2, "EXECUTE", true};
  }

  bool needs_supervisor_shadow_stack() const {
    return mmu::is_shadow_stack_access(request_) && !user() && rules_.ept_shadow_stacks;
  }

  /// What the EPT was asked for: the access itself, or a paging-structure entry.
  std::string subject() const {
    if (at_the_access()) return "the page";
    return fmt::format(
        "the page that holds the {}",
        Visit{.table = path_.back().table, .level = path_.back().guest_level}.name());
  }

  // Each fills in `it_`.
  void missing_ept_right(std::string_view verb, BitChange right);
  void missing_guest_right(std::string_view why, BitChange right);
  void page_of_the_user(std::string_view why, std::string_view control, unsigned bit);
  void reserved_bits(const Visit& visit);
  void guest_not_present(const Visit& visit);
  void register_not_present();
  void ept_not_present(const Visit& visit);
  void missing_address(std::uint64_t entry, unsigned level, bool large_pages);
  void protection_key();
  void guest_shadow_stack();
  void ept_without_read(std::string_view why, const Visit& visit, BitChange other);
  void ept_shadow_stack();
  void paging_verification();
  void ept_write();
  void ept_execute();
  void address_too_wide();
  void linear_address();
  void sub_pages(const Visit& visit);
  void sub_page_table(const Visit& visit);
  void memory_type(const Visit& visit);
  void virtualization_exception();

  const mmu::Context& context_;
  mmu::WalkContext rules_;
  const mmu::Request& request_;
  const WalkAnswer& answer_;
  const std::vector<WalkColumn>& path_;
  Diagnosis it_;
};

inline constexpr const char* kNoInveptOwed =
    "No INVEPT is owed: a right that is added shows after one more violation at the latest.";
inline constexpr const char* kNoInvlpgOwed =
    "No INVLPG is owed: a right that is added shows after one more page fault at the latest.";
inline constexpr const char* kNeverCached =
    "No invalidation is owed: an entry in this state is never cached.";
inline constexpr const char* kInveptOwed =
    "INVEPT is owed, for what was there before may be cached.";
inline constexpr const char* kInvlpgOwed =
    "INVLPG is owed, for what was there before may be cached.";

}  // namespace eptsim::sim
