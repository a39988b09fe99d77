#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "ept/frame_allocator.hpp"

namespace eptsim::ept::test {

/// Memory of any size, a page of which exists once it is written. Offers views if asked to.
class SparseMemory : public arch::PhysicalMemory {
 public:
  explicit SparseMemory(bool offers_views = false) : offers_views_(offers_views) {}

  std::uint64_t read64(arch::Hpa address) const override {
    const auto page = pages_.find(address.value() >> 12);
    return page == pages_.end() ? 0 : (*page->second)[address.offset_in(4096) / 8];
  }
  void write64(arch::Hpa address, std::uint64_t value) override {
    page_of(address)[address.offset_in(4096) / 8] = value;
  }
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override {
    std::uint64_t& word = page_of(address)[address.offset_in(4096) / 8];
    const std::uint64_t found = word;
    if (found == expected) word = desired;
    return found;
  }
  std::span<std::uint64_t> table_view(arch::Hpa address) override {
    if (!offers_views_) return {};
    return page_of(address);
  }

  /// Every word that is not zero, by address: two memories with the same bytes compare equal.
  std::map<std::uint64_t, std::uint64_t> content() const {
    std::map<std::uint64_t, std::uint64_t> words;
    for (const auto& [number, page] : pages_) {
      for (std::size_t index = 0; index < page->size(); ++index) {
        if ((*page)[index] != 0) words[(number << 12) + 8 * index] = (*page)[index];
      }
    }
    return words;
  }

 private:
  using Page = std::array<std::uint64_t, 512>;

  Page& page_of(arch::Hpa address) {
    auto& page = pages_[address.value() >> 12];
    if (!page) page = std::make_unique<Page>();
    return *page;
  }

  bool offers_views_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Page>> pages_;
};

/// Frames from 0x10000000 upwards, each full of rubbish when it is given out. Gives out no more
/// than `limit` from now on, if a limit is set, and notices frames given back twice.
class TestFrames : public FrameAllocator {
 public:
  explicit TestFrames(arch::PhysicalMemory& memory) : memory_(memory) {}

  std::optional<arch::Hpa> allocate() override {
    if (limit_ && *limit_ == 0) return std::nullopt;
    if (limit_) --*limit_;
    arch::Hpa frame(next_);
    if (returned_.empty()) {
      next_ += 4096;
    } else {
      frame = returned_.back();
      returned_.pop_back();
    }
    in_use_.insert(frame);
    if (rubbish_) {
      for (unsigned index = 0; index < 512; ++index) {
        // Present and misconfigured at every level: a walk that meets it shows.
        memory_.write64(frame + 8 * index, ~std::uint64_t{0});
      }
    }
    return frame;
  }

  void free(arch::Hpa frame) override {
    if (in_use_.erase(frame) != 1) ++bad_frees_;
    returned_.push_back(frame);
  }

  void set_limit(std::optional<std::uint64_t> limit) { limit_ = limit; }
  void set_rubbish(bool rubbish) { rubbish_ = rubbish; }
  const std::set<arch::Hpa>& in_use() const { return in_use_; }
  /// How many frames came back that were not out.
  unsigned bad_frees() const { return bad_frees_; }

 private:
  arch::PhysicalMemory& memory_;
  std::uint64_t next_ = 0x1000'0000;
  std::vector<arch::Hpa> returned_;
  std::set<arch::Hpa> in_use_;
  std::optional<std::uint64_t> limit_;
  bool rubbish_ = true;
  unsigned bad_frees_ = 0;
};

}  // namespace eptsim::ept::test
