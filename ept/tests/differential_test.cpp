// Random operations against a model that knows nothing of tables: a map from page to mapping.

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "ept/check.hpp"
#include "ept/tests/table_fixture.hpp"

namespace eptsim::ept::test {
namespace {

using arch::Gpa;
using arch::Hpa;
using arch::PageSize;

constexpr PageSize kSizes[] = {PageSize::k4K, PageSize::k2M, PageSize::k1G};
constexpr Permission kPermissions[] = {kReadOnly, kReadWrite, kReadExecute, kAllAccess};

/// What should be mapped: pages by their first address.
class Model {
 public:
  struct Page {
    std::uint64_t hpa;
    PageSize size;
    Permission permission;
  };
  using Pages = std::map<std::uint64_t, Page>;

  const Pages& pages() const { return pages_; }

  Pages::const_iterator page_over(std::uint64_t gpa) const {
    auto next = pages_.upper_bound(gpa);
    if (next == pages_.begin()) return pages_.end();
    --next;
    return gpa - next->first < arch::bytes(next->second.size) ? next : pages_.end();
  }
  /// The pages that overlap [begin, end).
  std::vector<std::uint64_t> overlapping(std::uint64_t begin, std::uint64_t end) const {
    std::vector<std::uint64_t> found;
    if (const auto first = page_over(begin); first != pages_.end()) found.push_back(first->first);
    for (auto page = pages_.upper_bound(begin); page != pages_.end() && page->first < end; ++page) {
      found.push_back(page->first);
    }
    return found;
  }
  std::optional<MapError> refusal(std::uint64_t gpa, PageSize size) const {
    const auto there = overlapping(gpa, gpa + arch::bytes(size));
    if (there.empty()) return std::nullopt;
    const PageSize found = pages_.at(there[0]).size;
    if (found == size) return MapError::kDuplicated;
    return found > size ? MapError::kCoveredByLargePage : MapError::kCoversSmallerPages;
  }
  void insert(std::uint64_t gpa, const Page& page) { pages_[gpa] = page; }
  void erase(std::uint64_t gpa) { pages_.erase(gpa); }
  Page& at(std::uint64_t gpa) { return pages_.at(gpa); }

 private:
  Pages pages_;
};

class Differential : public testing::TestWithParam<std::tuple<unsigned, unsigned>> {
 protected:
  Differential()
      : depth_(std::get<1>(GetParam())),
        machine_({.maxphyaddr = 52, .depth = depth_}, std::get<0>(GetParam()) % 2 == 0),
        random_(std::get<0>(GetParam())) {}

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  PageSize any_size() { return kSizes[below(3)]; }
  Permission any_permission() { return kPermissions[below(4)]; }
  /// Few places, so that pages meet: the neighbourhood of some table boundaries.
  std::uint64_t any_gpa(PageSize size) {
    const std::uint64_t bases[] = {0, kGiB, 512 * kGiB - kGiB, depth_ == 5 ? 512 * 512 * kGiB : 0};
    const std::uint64_t spread[] = {4 * kKiB, 2 * kMiB, kGiB};
    std::uint64_t gpa = bases[below(4)];
    for (const std::uint64_t step : spread) gpa += step * below(3);
    if (below(3) == 0) gpa += 2 * kMiB - 8 * kKiB;
    return gpa & ~(arch::bytes(size) - 1);
  }
  std::uint64_t any_hpa(PageSize size) {
    return below(std::uint64_t{1} << 20) << 30 >> 12 << 12 & ~(arch::bytes(size) - 1);
  }
  std::uint64_t any_length() {
    const std::uint64_t lengths[] = {4 * kKiB, 2 * kMiB, kGiB, 12 * kKiB, 6 * kMiB};
    return lengths[below(5)] + (below(2) == 0 ? 4 * kKiB * below(4) : 0);
  }

  void map() {
    const PageSize size = any_size();
    const std::uint64_t gpa = any_gpa(size);
    const Model::Page page{any_hpa(size), size, any_permission()};
    const auto expected = model_.refusal(gpa, size);
    auto result = machine_.table.map(Gpa(gpa), Hpa(page.hpa), page.permission, {.size = size});
    ASSERT_EQ(result.has_value(), !expected);
    if (expected) {
      ASSERT_EQ(result.error(), *expected);
      return;
    }
    model_.insert(gpa, page);
    machine_.table.complete(std::move(*result));
  }

  void map_range() {
    const std::uint64_t begin = any_gpa(PageSize::k4K);
    const std::uint64_t length = any_length();
    // Aligned like the guest-physical address to a page size, or (where that is not too many
    // pages) to none.
    const std::uint64_t hpa =
        700 * kGiB + begin % (below(2) == 0 ? kGiB : 2 * kMiB) + (below(3) == 0 ? 4 * kKiB : 0);
    const Permission permission = any_permission();
    std::map<std::uint64_t, Model::Page> wanted;
    std::optional<MapError> expected;
    for (std::uint64_t done = 0; done < length;) {
      PageSize size = PageSize::k4K;
      for (const PageSize larger : {PageSize::k2M, PageSize::k1G}) {
        const std::uint64_t page = arch::bytes(larger);
        if ((begin + done) % page == 0 && (hpa + done) % page == 0 && length - done >= page) {
          size = larger;
        }
      }
      if (!expected) expected = model_.refusal(begin + done, size);
      wanted[begin + done] = {hpa + done, size, permission};
      done += arch::bytes(size);
    }
    auto result = machine_.table.map_range(Gpa(begin), Hpa(hpa), length, permission);
    ASSERT_EQ(result.has_value(), !expected);
    if (expected) {
      ASSERT_EQ(result.error(), *expected);
      return;
    }
    for (const auto& [gpa, page] : wanted) model_.insert(gpa, page);
    machine_.table.complete(std::move(*result));
  }

  void unmap() {
    const PageSize size = any_size();
    const std::uint64_t gpa = any_gpa(size);
    const auto there = model_.overlapping(gpa, gpa + arch::bytes(size));
    const auto result = machine_.table.unmap(Gpa(gpa), size);
    if (there.empty()) {
      ASSERT_EQ(result.error(), UnmapError::kNotExist);
    } else if (model_.at(there[0]).size != size) {
      ASSERT_EQ(result.error(), UnmapError::kWrongPageSize);
    } else {
      ASSERT_TRUE(result);
      ASSERT_EQ(result->page.hpa, Hpa(model_.at(gpa).hpa));
      ASSERT_EQ(result->page.permission(), model_.at(gpa).permission);
      model_.erase(gpa);
    }
  }

  /// Whether a page in `pages` reaches beyond the range.
  bool is_cut(const std::vector<std::uint64_t>& pages, std::uint64_t begin, std::uint64_t end) {
    return std::ranges::any_of(pages, [&](std::uint64_t gpa) {
      return gpa < begin || gpa + arch::bytes(model_.at(gpa).size) > end;
    });
  }

  void unmap_range() {
    const std::uint64_t begin = any_gpa(PageSize::k4K);
    const std::uint64_t end = begin + any_length();
    const auto there = model_.overlapping(begin, end);
    const auto result = machine_.table.unmap_range({Gpa(begin), Gpa(end)});
    if (is_cut(there, begin, end)) {
      ASSERT_EQ(result.error(), UnmapRangeError::kPartlyCovered);
      return;
    }
    ASSERT_TRUE(result);
    ASSERT_EQ(result->pages.size(), there.size());
    for (const std::uint64_t gpa : there) model_.erase(gpa);
  }

  void protect_range() {
    const std::uint64_t begin = any_gpa(PageSize::k4K);
    const std::uint64_t end = begin + any_length();
    const Permission permission = any_permission();
    const auto there = model_.overlapping(begin, end);
    const auto result = machine_.table.protect_range({Gpa(begin), Gpa(end)}, permission);
    if (is_cut(there, begin, end)) {
      ASSERT_EQ(result.error(), ProtectRangeError::kPartlyCovered);
      return;
    }
    ASSERT_TRUE(result);
    bool lost = false;
    for (const std::uint64_t gpa : there) {
      lost = lost || (model_.at(gpa).permission.bits() & 7 & ~permission.bits()) != 0;
      model_.at(gpa).permission = permission;
    }
    ASSERT_EQ(result->needs_invept(), lost);
  }

  void split() {
    const std::uint64_t gpa = any_gpa(PageSize::k4K);
    const auto page = model_.page_over(gpa);
    const auto result = machine_.table.split(Gpa(gpa));
    if (page == model_.pages().end()) {
      ASSERT_EQ(result.error(), SplitError::kNotExist);
    } else if (page->second.size == PageSize::k4K) {
      ASSERT_EQ(result.error(), SplitError::kNotALargePage);
    } else {
      ASSERT_TRUE(result);
      const auto [first, whole] = *page;
      const PageSize part = whole.size == PageSize::k1G ? PageSize::k2M : PageSize::k4K;
      for (std::uint64_t offset = 0; offset < arch::bytes(whole.size);
           offset += arch::bytes(part)) {
        model_.insert(first + offset, {whole.hpa + offset, part, whole.permission});
      }
    }
  }

  void merge() {
    const PageSize size = below(2) == 0 ? PageSize::k2M : PageSize::k1G;
    const PageSize part = size == PageSize::k1G ? PageSize::k2M : PageSize::k4K;
    const std::uint64_t gpa = any_gpa(size);
    const auto there = model_.overlapping(gpa, gpa + arch::bytes(size));
    bool whole = there.size() == 512 && there[0] == gpa;
    for (std::size_t index = 0; whole && index < 512; ++index) {
      const Model::Page& page = model_.at(there[index]);
      const Model::Page& first = model_.at(gpa);
      whole = page.size == part && page.permission == first.permission &&
              page.hpa == first.hpa + index * arch::bytes(part) &&
              first.hpa % arch::bytes(size) == 0;
    }
    auto result = machine_.table.merge(Gpa(gpa), size);
    ASSERT_EQ(result.has_value(), whole);
    if (!whole) return;
    ++merged_;
    const Model::Page first = model_.at(gpa);
    for (const std::uint64_t page : there) model_.erase(page);
    model_.insert(gpa, {first.hpa, size, first.permission});
    machine_.table.complete(std::move(*result));
  }

  void compare() const {
    auto expected = model_.pages().begin();
    for (const Mapping& page : machine_.table.mappings()) {
      ASSERT_NE(expected, model_.pages().end());
      ASSERT_EQ(page.gpa, Gpa(expected->first));
      ASSERT_EQ(page.hpa, Hpa(expected->second.hpa));
      ASSERT_EQ(page.size, expected->second.size);
      ASSERT_EQ(page.permission(), expected->second.permission);
      const std::uint64_t last = expected->first + arch::bytes(page.size) - 1;
      ASSERT_EQ(machine_.look(last).address, expected->second.hpa + arch::bytes(page.size) - 1);
      ++expected;
    }
    ASSERT_EQ(expected, model_.pages().end());
  }

  unsigned depth_;
  Machine machine_;
  std::mt19937_64 random_;
  Model model_;
  unsigned merged_ = 0;
};

TEST_P(Differential, AgreesWithAModelOfMappings) {
  for (unsigned step = 0; step < 1500 && !HasFatalFailure(); ++step) {
    SCOPED_TRACE(step);
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
      case 3: map(); break;
      case 4:
      case 5: map_range(); break;
      case 6:
      case 7:
      case 8: unmap(); break;
      case 9:
      case 10: unmap_range(); break;
      case 11: protect_range(); break;
      case 12: split(); break;
      case 13:
      case 14: merge(); break;
      default: machine_.table.complete(machine_.table.clean_up()); break;
    }
    if (step % 32 == 0) compare();
  }
  compare();
  EXPECT_GT(merged_, 0u) << "the random walk must get to the rare operations";
  const std::vector<Hpa> tables(machine_.frames.in_use().begin(), machine_.frames.in_use().end());
  EXPECT_TRUE(
      check(machine_.memory, machine_.table.eptp(), machine_.table.settings(), tables).empty());
  EXPECT_EQ(machine_.frames.bad_frees(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Differential,
                         testing::Combine(testing::Range(1u, 5u), testing::Values(4u, 5u)));

}  // namespace
}  // namespace eptsim::ept::test
