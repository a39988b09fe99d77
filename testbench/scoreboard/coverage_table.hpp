#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace eptsim::tb {

/// Bins in rows and columns. Those that no walker can reach are declared with the rule that says
/// so.
class CoverageTable {
 public:
  CoverageTable() = default;
  CoverageTable(std::string table_name, std::vector<std::string> row_names,
                std::vector<std::string> column_names)
      : name(std::move(table_name)),
        rows(std::move(row_names)),
        columns(std::move(column_names)),
        counts(rows.size() * columns.size()),
        impossible(counts.size()) {}

  std::string name;
  std::vector<std::string> rows;
  std::vector<std::string> columns;
  std::vector<std::uint64_t> counts = {};         ///< row by row
  std::vector<std::string_view> impossible = {};  ///< why; empty: possible

  std::size_t bin(std::size_t row, std::size_t column) const {
    return row * columns.size() + column;
  }
  std::string name_of(std::size_t index) const {
    return rows[index / columns.size()] + ", " + columns[index % columns.size()];
  }
  void count(std::size_t row, std::size_t column, std::uint64_t times = 1) {
    counts[bin(row, column)] += times;
  }
};

}  // namespace eptsim::tb
