#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "ept/table_tree.hpp"

namespace eptsim::ept {

/// Lines for people, in columns.
class TreeText final : public TreeWriter {
 public:
  struct Shape {
    bool colour = false;
    std::string addresses;         ///< what the tables translate: "guest-physical"
    std::string targets;           ///< and to what: "host-physical"
    unsigned address_digits = 12;  ///< of those, in hexadecimal
    unsigned target_digits = 12;
  };

  TreeText(std::ostream& out, const Notation& notation, Shape shape);
  void entered(const TreeEntry&, unsigned) override {}
  void left(unsigned) override {}
  void table(const TreeEntry& entry, unsigned depth) override;
  void run(const TreeRun& run, unsigned depth) override;

 private:
  struct Line {
    std::string tree;
    std::string addresses;
    std::string target;
    std::string pages;
    std::string rights;
    std::string memory_type;
    std::string rest;
    std::string remark;
  };
  void write(const Line& line, const char* colour);
  std::string rest_of(const TreeEntry& entry) const;

  std::ostream& out_;
  const Notation& notation_;
  Shape shape_;
};

/// The arrays `tables` and `mappings` of a JSON object.
class TreeJson final : public TreeWriter {
 public:
  /// What addresses and targets are called: "gpa" and "hpa".
  TreeJson(const Notation& notation, std::string address_key, std::string target_key)
      : notation_(notation),
        address_key_(std::move(address_key)),
        target_key_(std::move(target_key)) {}

  void entered(const TreeEntry& entry, unsigned depth) override;
  void left(unsigned entries) override;
  void table(const TreeEntry& entry, unsigned depth) override;
  void run(const TreeRun& run, unsigned depth) override;

  void print(std::ostream& out) const;

 private:
  struct Table {
    TreeEntry entry;
    unsigned entries;
  };

  const Notation& notation_;
  std::string address_key_;
  std::string target_key_;
  std::vector<Table> tables_;
  std::vector<std::size_t> path_;
  std::vector<TreeRun> runs_;
};

}  // namespace eptsim::ept
