#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "ept/extended_page_table.hpp"
#include "sim/run/dirty_log_settings.hpp"
#include "sim/run/page_policy.hpp"
#include "sim/run/physical_frames.hpp"

namespace eptsim::sim {

/// What a hypervisor does to its EPT to learn, round by round, which pages of 4 KiB its guest
/// writes, the guest's tables included.
///
///   begin      large pages divided   dirty flags cleared, or every page write-protected
///   a round    full logs drained,    or first writes met: the pages that were dirtied
///   its end    those pages reported  their flags cleared, or write-protected again
///   end        all writable          pages of a large frame that are whole merged again
///
/// What it changes owes INVEPTs, which are the caller's.
class DirtyLog {
 public:
  /// `table` and `mapped`, the bytes that it maps by page size, outlive it.
  DirtyLog(ept::ExtendedPageTable& table, const PhysicalFrames& frames, MappedBytes& mapped,
           const DirtyLogSettings& settings)
      : table_(table), frames_(frames), mapped_(mapped), settings_(settings) {}

  bool is_on() const { return on_; }
  /// The hypervisor keeps logs that hardware writes.
  bool uses_pml() const { return settings_.tracking == DirtyTracking::kPml; }
  /// From now on what is dirtied may be logged. The tables are as they were until `begin`.
  void turn_on() { on_ = true; }

  /// Throws InputError if memory for tables has run out.
  void begin();
  /// The pages dirtied since the last call, or since `begin`; ascending. The next round begins.
  std::vector<arch::Gpa> collect();
  void end();

  /// The page was written, as a log of hardware's says.
  void add(arch::Gpa page);
  /// The guest stores to the page of `leaf` by a way that no walk goes.
  void store(ept::Leaf& leaf);
  /// A write met a page without the right to: it gets it, and is dirty. False if there is no such
  /// page. Throws InputError as `begin` does.
  bool allow_write(arch::Gpa gpa);
  /// How a page that is mapped now for an access is mapped. It is dirty if that is a write.
  ept::Permission new_page(arch::Gpa page, bool write);

  /// A large frame that is mapped by small pages alone: where in it `gpa` lies.
  std::optional<arch::Hpa> in_divided_frame(arch::Gpa gpa) const;
  void divide_frame(arch::Gpa gpa, arch::Hpa frame, arch::PageSize size);

  const DirtyLogCounts& counts() const { return counts_; }
  ept::PendingInvalidation take_pending() { return std::exchange(pending_, {}); }

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(on_, dirty_, divided_, pending_, counts_);
  }

 private:
  struct DividedFrame {
    arch::Hpa frame;
    arch::PageSize size;
  };

  ept::GpaRange everything() const;
  void protect(ept::GpaRange range, ept::Permission permission);
  void clear_dirty(ept::GpaRange range);
  void divide(const ept::Mapping& page);
  void divide_wholly(const ept::Mapping& page);
  void merge(arch::Gpa gpa, arch::PageSize size);
  void visit_all();

  ept::ExtendedPageTable& table_;
  const PhysicalFrames& frames_;
  MappedBytes& mapped_;
  DirtyLogSettings settings_;
  bool on_ = false;
  std::vector<arch::Gpa> dirty_;  ///< in this round; some may be there twice
  std::map<arch::Gpa, DividedFrame> divided_;
  ept::PendingInvalidation pending_;
  DirtyLogCounts counts_;
};

}  // namespace eptsim::sim
