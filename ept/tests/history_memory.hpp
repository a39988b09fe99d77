#pragma once

#include <map>
#include <vector>

#include "ept/tests/test_memory.hpp"

namespace eptsim::ept::test {

/// Memory that remembers each write, so that a test can put back every state that a walker beside
/// the software could have met. What is written through a view is noticed at the next access from
/// outside and counts as written before it, one word at a time.
class HistoryMemory final : public SparseMemory {
 public:
  struct Event {
    enum class Kind : std::uint8_t { kStore, kViewTaken };
    Kind kind;
    std::uint64_t address;
    std::uint64_t value;
  };

  explicit HistoryMemory(bool offers_views) : SparseMemory(offers_views) {}

  void write64(arch::Hpa address, std::uint64_t value) override {
    notice_views();
    store(address, value);
  }
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override {
    notice_views();
    const std::uint64_t found = SparseMemory::read64(address);
    if (found == expected) store(address, desired);
    return found;
  }
  std::span<std::uint64_t> table_view(arch::Hpa address) override {
    notice_views();
    const auto view = SparseMemory::table_view(address);
    if (!view.empty()) {
      events_.push_back({Event::Kind::kViewTaken, address.value(), 0});
      views_[address.value()] = view;
    }
    return view;
  }

  /// Forgets the past and starts from what memory holds now.
  void begin() {
    notice_views();
    views_.clear();
    events_.clear();
    start_ = known_;
  }

  /// What has happened since `begin`.
  const std::vector<Event>& events() {
    notice_views();
    return events_;
  }
  /// The words, zeros left out, at `begin`.
  const std::map<std::uint64_t, std::uint64_t>& start() const { return start_; }

 private:
  void store(arch::Hpa address, std::uint64_t value) {
    SparseMemory::write64(address, value);
    known_[address.value()] = value;
    events_.push_back({Event::Kind::kStore, address.value(), value});
  }

  void notice_views() {
    for (const auto& [base, view] : views_) {
      for (std::size_t index = 0; index < view.size(); ++index) {
        const std::uint64_t address = base + 8 * index;
        std::uint64_t& known = known_[address];
        if (known == view[index]) continue;
        known = view[index];
        events_.push_back({Event::Kind::kStore, address, known});
      }
    }
  }

  std::map<std::uint64_t, std::uint64_t> known_;
  std::map<std::uint64_t, std::uint64_t> start_;
  std::map<std::uint64_t, std::span<std::uint64_t>> views_;
  std::vector<Event> events_;
};

}  // namespace eptsim::ept::test
