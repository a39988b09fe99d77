#include "sim/cli/page_list_file.hpp"

#include <fmt/format.h>

#include <iterator>
#include <limits>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ept/arch/address.hpp"
#include "sim/input_error.hpp"
#include "sim/json/line_reader.hpp"
#include "sim/number.hpp"

namespace eptsim::sim {
namespace {

constexpr unsigned kLevels = 4;
constexpr unsigned kAddressBits = 48;
constexpr std::string_view kBlanks = " \t\r";

constexpr bool is_guest(Dimension dimension) { return dimension == Dimension::kGuest; }

struct Word {
  std::string_view text;
  std::size_t column;
};

std::vector<Word> words_of(std::string_view line) {
  line = line.substr(0, line.find('#'));
  std::vector<Word> words;
  for (std::size_t begin = line.find_first_not_of(kBlanks); begin != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
    words.push_back({line.substr(begin, end - begin), begin + 1});
    begin = line.find_first_not_of(kBlanks, end);
  }
  return words;
}

/// What the entries of tables hold by what the lines have said so far.
class KnownTables {
 public:
  /// Where two lines contradict each other: the table of this level, or the page for level 0.
  struct Conflict {
    unsigned level;
    std::string problem;
  };

  std::optional<Conflict> add(const ListedPage& page) {
    if (const auto conflict = add_table(page, kLevels)) return conflict;
    for (unsigned level = kLevels - 1; level >= page.leaf_level(); --level) {
      if (const auto conflict = add_table(page, level)) return conflict;
    }
    const auto [entry, is_new] = entries_.try_emplace(key(page, page.leaf_level()), kPage);
    if (is_new) return std::nullopt;
    return Conflict{0, entry->second == kPage
                           ? "a page is there already, of an earlier line"
                           : "smaller pages are there already, of earlier lines"};
  }

 private:
  static constexpr std::uint64_t kPage = std::numeric_limits<std::uint64_t>::max();

  /// Of the entry of `level` that leads to the page.
  static std::uint64_t key(const ListedPage& page, unsigned level) {
    constexpr std::uint64_t kAddress = (std::uint64_t{1} << kAddressBits) - 1;
    // The root's has no entry above it.
    const std::uint64_t place =
        level > kLevels ? 0 : (page.from & kAddress) >> (12 + 9 * (level - 1));
    return place | std::uint64_t{page.space} << 36 | std::uint64_t{level} << 52;
  }

  std::optional<Conflict> add_table(const ListedPage& page, unsigned level) {
    const std::uint64_t table = page.tables.at(level - 1);
    const std::uint64_t above = key(page, level + 1);
    const auto [entry, is_new] = entries_.try_emplace(above, table);
    if (entry->second == kPage) {
      return Conflict{0, "a larger page is there already, of an earlier line"};
    }
    if (entry->second != table) {
      return Conflict{level, fmt::format("an earlier line has this table of level {} at {:#x}",
                                         level, entry->second)};
    }
    if (!is_new) return std::nullopt;
    if (!tables_.try_emplace(table, above).second) {
      return Conflict{level, "an earlier line has another table there"};
    }
    return std::nullopt;
  }

  std::unordered_map<std::uint64_t, std::uint64_t> entries_;
  std::unordered_map<std::uint64_t, std::uint64_t> tables_;  ///< to the entry that leads there
};

class PageListReader {
 public:
  PageListReader(const std::string& path, Dimension dimension, std::uint64_t memory_bytes)
      : lines_(path), dimension_(dimension), memory_bytes_(memory_bytes) {}

  PageList run() {
    while (lines_.next()) {
      const std::vector<Word> words = words_of(lines_.line());
      if (words.empty()) continue;
      if (words.front().text == "space") {
        take_space(words);
      } else {
        take_page(words);
      }
    }
    if (pages_.empty()) throw InputError(lines_.name(), "has no pages, expected one a line");
    return std::move(pages_);
  }

 private:
  [[noreturn]] void refuse(std::size_t column, const std::string& problem) const {
    throw InputError(fmt::format("{}:{}:{}", lines_.name(), lines_.number(), column), problem);
  }

  std::uint64_t number_of(const Word& word) const {
    const auto number = parse_number(word.text);
    if (!number) {
      refuse(word.column, fmt::format("'{}' is no address, expected decimal or 0x…", word.text));
    }
    return *number;
  }

  void take_space(const std::vector<Word>& words) {
    if (!is_guest(dimension_)) {
      refuse(words.front().column, "address spaces are a guest's, and these are host tables");
    }
    const auto number = words.size() == 2 ? parse_number(words.back().text) : std::nullopt;
    if (!number || *number > std::numeric_limits<std::uint16_t>::max()) {
      refuse(words.back().column, "expected 'space' and a number from 0 to 65535");
    }
    space_ = static_cast<std::uint16_t>(*number);
  }

  void take_page(std::vector<Word> words) {
    ListedPage page;
    page.space = space_;
    take_flags(words, page);
    constexpr std::size_t kFewest = 4;  // of a page of 1 GiB
    constexpr std::size_t kMost = 6;
    if (words.size() < kFewest || words.size() > kMost) {
      refuse(
          words.empty() ? 1 : words.back().column,
          fmt::format("a line of {} addresses, expected the page's, those of its 4, 3 or 2 tables "
                      "from the root's on, and the physical one",
                      words.size()));
    }
    page.size = arch::page_of_level(static_cast<unsigned>(kMost - words.size() + 1));
    page.from = from_of(words.front(), page.size);
    for (std::size_t table = 1; table + 1 < words.size(); ++table) {
      page.tables.at(kLevels - table) = frame_of(words[table], arch::PageSize::k4K, "a table");
    }
    page.to = frame_of(words.back(), page.size, "the page");
    if (const auto conflict = known_.add(page)) {
      const std::size_t word = conflict->level == 0 ? 0 : kLevels + 1 - conflict->level;
      refuse(words.at(word).column, conflict->problem);
    }
    pages_.push_back(page);
  }

  /// The last word, if it is no number.
  void take_flags(std::vector<Word>& words, ListedPage& page) const {
    const Word last = words.back();
    if (last.text.front() >= '0' && last.text.front() <= '9') return;
    const bool known =
        last.text == "-" || last.text == "a" || last.text == "d" || last.text == "ad";
    if (!known || words.size() == 1) {
      refuse(last.column, fmt::format("'{}' is no address{}", last.text,
                                      is_guest(dimension_) ? " and no flags, expected a, d, ad or -"
                                                           : ", expected decimal or 0x…"));
    }
    if (!is_guest(dimension_)) {
      refuse(last.column, "pages of host tables have no flags, expected none");
    }
    page.accessed = last.text.front() == 'a';
    page.dirty = last.text.back() == 'd';
    words.pop_back();
  }

  std::uint64_t from_of(const Word& word, arch::PageSize size) const {
    const std::uint64_t from = number_of(word);
    require_aligned(word, from, size, "the page's address");
    const bool fits =
        is_guest(dimension_) ? arch::is_canonical(from, kAddressBits) : from >> kAddressBits == 0;
    if (!fits) {
      refuse(word.column,
             is_guest(dimension_)
                 ? "isn't a canonical address of 48 bits: guests have tables of 4 levels"
                 : "a guest-physical address of more than 48 bits: the EPT has 4 levels");
    }
    return from;
  }

  std::uint64_t frame_of(const Word& word, arch::PageSize size, std::string_view what) const {
    const std::uint64_t frame = number_of(word);
    require_aligned(word, frame, size, what);
    if (frame > memory_bytes_ || memory_bytes_ - frame < arch::bytes(size)) {
      refuse(word.column, fmt::format("{} lies beyond the memory of {:#x} bytes, expected a larger "
                                      "dram.bytes",
                                      what, memory_bytes_));
    }
    return frame;
  }

  void require_aligned(const Word& word, std::uint64_t address, arch::PageSize size,
                       std::string_view what) const {
    if (address % arch::bytes(size) == 0) return;
    refuse(word.column,
           fmt::format("{} isn't a multiple of {:#x}{}", what, arch::bytes(size),
                       size == arch::PageSize::k4K ? "" : ", as the number of tables says"));
  }

  LineReader lines_;
  Dimension dimension_;
  std::uint64_t memory_bytes_;
  std::uint16_t space_ = 0;
  KnownTables known_;
  PageList pages_;
};

}  // namespace

PageList read_page_list(const std::string& path, Dimension dimension, std::uint64_t memory_bytes) {
  return PageListReader(path, dimension, memory_bytes).run();
}

std::string page_list_text(const PageList& list, Dimension dimension) {
  std::string text =
      is_guest(dimension)
          ? "# linear address, tables from the root's on, guest-physical address, flags\n"
          : "# guest-physical address, tables from the root's on, host-physical address\n";
  auto out = std::back_inserter(text);
  std::optional<std::uint16_t> space;
  for (const ListedPage& page : list) {
    if (is_guest(dimension) && space != page.space) {
      space = page.space;
      fmt::format_to(out, "space {}\n", page.space);
    }
    fmt::format_to(out, "{:#x}", page.from);
    for (unsigned level = kLevels; level >= page.leaf_level(); --level) {
      fmt::format_to(out, " {:#x}", page.tables.at(level - 1));
    }
    fmt::format_to(out, " {:#x}", page.to);
    if (is_guest(dimension)) {
      const std::string_view flags =
          page.accessed ? (page.dirty ? "ad" : "a") : (page.dirty ? "d" : "-");
      fmt::format_to(out, " {}", flags);
    }
    text += '\n';
  }
  return text;
}

}  // namespace eptsim::sim
