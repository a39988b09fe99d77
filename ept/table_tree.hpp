#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Tables as a tree of lines: what the dumps of an EPT and of a guest's tables have in common.
namespace eptsim::ept {

/// A present entry of either kind of tables.
struct TreeEntry {
  unsigned level = 0;
  unsigned index = 0;
  std::uint64_t value = 0;
  std::uint64_t first = 0;   ///< first address that it covers
  std::uint64_t bytes = 0;   ///< that it covers
  bool leaf = false;         ///< it maps a page
  std::uint64_t target = 0;  ///< the page or the table
  std::string remark;        ///< what is to be said of it, if anything

  /// The value without the target's address.
  std::uint64_t flags() const { return value & ~target; }
};

/// Pages that follow one another on both sides, with equal flags.
struct TreeRun {
  TreeEntry first;
  unsigned last_index = 0;
  std::uint64_t pages = 0;
  std::uint64_t tables = 1;  ///< that they lie in

  std::uint64_t bytes() const { return pages * first.bytes; }
};

/// What the bits of one kind of tables are called.
class Notation {
 public:
  virtual ~Notation() = default;
  virtual std::string_view table_name(unsigned level) const = 0;
  virtual std::string rights(const TreeEntry& entry) const = 0;
  virtual std::string memory_type(const TreeEntry& page) const = 0;
  /// The flags of an entry besides its rights, by name.
  virtual std::vector<std::string> flags(const TreeEntry& entry) const = 0;
};

/// Where a tree goes: to text or to JSON.
class TreeWriter {
 public:
  virtual ~TreeWriter() = default;
  /// A table is gone into, `depth` tables below the root; and left, with so many present entries.
  virtual void entered(const TreeEntry& entry, unsigned depth) = 0;
  virtual void left(unsigned entries) = 0;
  /// A line for an entry that refers to a table, and one for pages.
  virtual void table(const TreeEntry& entry, unsigned depth) = 0;
  virtual void run(const TreeRun& run, unsigned depth) = 0;
};

/// Folds pages into runs, over as many tables as they go on, and hands on the lines that remain: a
/// table that only continues a run has none of its own. Tables are told in the order of a tour: an
/// entry that refers to one, what is in it, its end.
class RunFolder {
 public:
  /// It is full after so many tables, or lines written.
  static constexpr std::size_t kMostTables = std::size_t{1} << 20;
  RunFolder(TreeWriter& writer, std::size_t most_lines) : writer_(writer), room_(most_lines) {}

  /// The entry refers to a table that is gone into.
  void enter(const TreeEntry& entry);
  void leave();
  /// The entry refers to a table that is not gone into, as its remark says.
  void mention(const TreeEntry& entry);
  void page(const TreeEntry& entry);
  /// After the last.
  void finish() { flush(); }

  /// Whether there was no more room: nothing that is told from now on is written.
  bool is_full() const { return full_at_.has_value(); }
  /// The first address that is not.
  std::optional<std::uint64_t> full_at() const { return full_at_; }

 private:
  struct OpenTable {
    TreeEntry entry;
    bool written = false;
    unsigned entries = 0;  ///< told so far
  };
  using Path = std::vector<std::uint64_t>;

  unsigned depth() const { return static_cast<unsigned>(open_.size()); }
  /// The flags on the way to the table at hand: a run doesn't go on where they differ.
  Path path() const;
  bool take_room(const TreeEntry& entry);
  void write_open_tables();
  void flush();

  TreeWriter& writer_;
  std::size_t room_;
  std::size_t tables_ = 0;
  std::optional<std::uint64_t> full_at_;
  std::vector<OpenTable> open_;
  std::optional<TreeRun> run_;
  Path run_path_;
  unsigned run_depth_ = 0;
};

/// 4096 as "0x1000", with leading zeros up to so many digits.
std::string tree_hex(std::uint64_t value, unsigned digits = 1);

}  // namespace eptsim::ept
