#pragma once

#include <string>
#include <vector>

#include "sim/report/html.hpp"

namespace eptsim::sim::report {

/// A table that a screen reader can follow: a caption, a heading for every column and every row.
class Table {
 public:
  struct Column {
    std::string heading;
    bool number = true;  ///< set right
  };

  /// The first column heads the rows.
  Table(std::string caption, std::vector<Column> columns);

  /// A cell for each column.
  void row(const std::vector<Html>& cells);
  /// The same, set off from those above: what they sum to.
  void total(const std::vector<Html>& cells);
  /// Rows can be found by a word and sorted by a column, where the browser runs scripts.
  Table& searchable();

  Html html() const;

 private:
  void add(const Attributes& attributes, const std::vector<Html>& cells);

  std::string caption_;
  std::vector<Column> columns_;
  bool searchable_ = false;
  Html rows_;
};

/// `shown`, for a cell that is saved as the number `value` exactly.
Html exactly(const std::string& value, const Html& shown);

/// `content`, which may be wider than a small screen, in a box that scrolls by itself and that the
/// keyboard can reach.
Html scrolling(const std::string& name, const Html& content);

/// `content` folded away under a line that says what it is.
Html folded(const std::string& line, const Html& content);

}  // namespace eptsim::sim::report
