#pragma once

#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ept/extended_page_table.hpp"
#include "ept/tests/table_fixture.hpp"

/// Each operation of ExtendedPageTable on a table in which it has something to do: for the tests
/// that hold for all operations.
namespace eptsim::ept::test {

struct Operation {
  std::string name;
  std::function<void(ExtendedPageTable&)> prepare;
  /// What is owed afterwards, or nothing if the operation was refused.
  std::function<std::optional<PendingInvalidation>(ExtendedPageTable&)> run;
};

template <class Error>
std::optional<PendingInvalidation> owed(tl::expected<PendingInvalidation, Error> result) {
  if (!result) return std::nullopt;
  return std::move(*result);
}

inline std::vector<Operation> operations() {
  using arch::Gpa;
  using arch::Hpa;
  using arch::PageSize;
  const MapOptions small{.size = PageSize::k4K};
  const MapOptions large{.size = PageSize::k2M};
  const MapOptions huge{.size = PageSize::k1G};
  using Table = ExtendedPageTable;

  const auto nothing = [](Table&) {};
  const auto neighbour = [](Table& t) { expect_done(t.map(Gpa(0x5000), Hpa(0x9000), kAllAccess)); };
  const auto large_page = [=](Table& t) {
    expect_done(t.map(Gpa(0), Hpa(4 * kMiB), kReadWrite, large));
    expect_done(t.map(Gpa(2 * kMiB), Hpa(0), kReadWrite, large));
  };
  const auto huge_page = [=](Table& t) {
    expect_done(t.map(Gpa(0), Hpa(4 * kGiB), kReadWrite, huge));
  };
  const auto small_pages = [=](Table& t) {
    expect_done(t.map_range(Gpa(0), Hpa(4 * kMiB), 2 * kMiB, kReadWrite, small));
  };
  const auto mixed = [=](Table& t) {
    expect_done(t.map_range(Gpa(0x3000), Hpa(0x20'3000), 6 * kMiB, kReadWrite));
    expect_done(t.map(Gpa(kGiB), Hpa(0), kReadWrite, huge));
  };
  const auto empty_tables = [=](Table& t) {
    for (const Gpa gpa : {Gpa(0), Gpa(2 * kMiB), Gpa(kGiB), Gpa(3 * kGiB)}) {
      expect_done(t.map(gpa, Hpa(0), kReadWrite));
    }
    for (const Gpa gpa : {Gpa(0), Gpa(2 * kMiB), Gpa(kGiB)}) expect_done(t.unmap(gpa));
  };
  const auto used = [=](Table& t) {
    mixed(t);
    for (const Gpa gpa : {Gpa(0x3000), Gpa(2 * kMiB), Gpa(kGiB)}) {
      auto entry = t.walk(gpa)->entry;
      entry.store(entry.load() | 0x300);
    }
  };

  return {
      {"MapIntoAnEmptyTable", nothing,
       [](Table& t) { return owed(t.map(Gpa(0x4000), Hpa(0x7000), kAllAccess)); }},
      {"MapBesideAPage", neighbour,
       [](Table& t) { return owed(t.map(Gpa(0x4000), Hpa(0x7000), kAllAccess)); }},
      {"MapALargePage", neighbour,
       [=](Table& t) { return owed(t.map(Gpa(2 * kMiB), Hpa(0), kAllAccess, large)); }},
      {"MapALargePageOverAnEmptyTable", empty_tables,
       [=](Table& t) { return owed(t.map(Gpa(0), Hpa(2 * kMiB), kAllAccess, large)); }},
      {"MapAHugePageOverEmptyTables", empty_tables,
       [=](Table& t) { return owed(t.map(Gpa(0), Hpa(2 * kGiB), kAllAccess, huge)); }},
      {"Unmap", mixed,
       [](Table& t) -> std::optional<PendingInvalidation> {
         auto unmapped = t.unmap(Gpa(0x3000));
         if (!unmapped) return std::nullopt;
         return std::move(unmapped->pending);
       }},
      {"Protect", mixed, [](Table& t) { return owed(t.protect(Gpa(0x3000), kReadOnly)); }},
      {"Remap", mixed, [](Table& t) { return owed(t.remap(Gpa(0x3000), Hpa(0x8000))); }},
      {"SetMemoryType", mixed,
       [](Table& t) {
         return owed(t.set_memory_type(Gpa(kGiB), arch::MemoryType::kUC, true, PageSize::k1G));
       }},
      {"SplitALargePage", large_page, [](Table& t) { return owed(t.split(Gpa(0x1000))); }},
      {"SplitAHugePage", huge_page, [](Table& t) { return owed(t.split(Gpa(0x1000))); }},
      {"Merge", small_pages, [](Table& t) { return owed(t.merge(Gpa(0), PageSize::k2M)); }},
      {"MapARangeOfSmallPages", neighbour,
       [=](Table& t) {
         return owed(t.map_range(Gpa(0x6000), Hpa(0xa000), 3 * kMiB, kReadWrite, small));
       }},
      {"MapARangeOfManySizes", neighbour,
       [](Table& t) {
         return owed(t.map_range(Gpa(kGiB - 2 * kMiB - 0x3000), Hpa(3 * kGiB - 2 * kMiB - 0x3000),
                                 kGiB + 4 * kMiB + 0x5000, kReadWrite));
       }},
      {"MapARangeOverEmptyTables", empty_tables,
       [](Table& t) { return owed(t.map_range(Gpa(0), Hpa(0), 3 * kGiB, kReadWrite)); }},
      {"UnmapARange", mixed,
       [](Table& t) -> std::optional<PendingInvalidation> {
         auto unmapped = t.unmap_range({Gpa(0x4000), Gpa(4 * kMiB)});
         if (!unmapped) return std::nullopt;
         return std::move(unmapped->pending);
       }},
      {"ProtectARange", mixed,
       [](Table& t) { return owed(t.protect_range({Gpa(0x4000), Gpa(2 * kGiB)}, kReadOnly)); }},
      {"CleanUp", empty_tables,
       [](Table& t) { return std::optional<PendingInvalidation>(t.clean_up()); }},
      {"ClearFlags", used,
       [](Table& t) {
         return std::optional<PendingInvalidation>(t.clear_flags({Gpa(0), Gpa(2 * kGiB)}).pending);
       }},
  };
}

/// Names a test of the operation with an index, in memory with or without views.
inline std::string name_of_case(const testing::TestParamInfo<std::tuple<std::size_t, bool>>& test) {
  return operations().at(std::get<0>(test.param)).name +
         (std::get<1>(test.param) ? "WithViews" : "");
}

/// Addresses at which the operations change something or must not.
inline std::vector<std::uint64_t> interesting_addresses() {
  return {0,
          0x3000,
          0x4000,
          0x5123,
          0x6000,
          2 * kMiB - 1,
          2 * kMiB,
          2 * kMiB + 0x1000,
          3 * kMiB + 0x5000,
          4 * kMiB,
          6 * kMiB + 0x2000,
          kGiB - 2 * kMiB - 0x3000,
          kGiB - 2 * kMiB,
          kGiB,
          2 * kGiB - 1,
          2 * kGiB + 0x1fff,
          2 * kGiB + 2 * kMiB + 0x1000,
          3 * kGiB};
}

}  // namespace eptsim::ept::test
