#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "testbench/stimulus/context_builder.hpp"
#include "testbench/stimulus/feature.hpp"
#include "testbench/stimulus/random.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// What the tables are to look like.
struct Shape {
  enum class Flags : std::uint8_t { kRandom, kClear, kSet };

  Levels levels;
  unsigned guest_leaf = 1;  ///< level of the guest leaf
  /// Level of the EPT leaf that maps the guest entry of each level, and [0] the access itself.
  std::array<unsigned, 6> ept_leaf{1, 1, 1, 1, 1, 1};
  unsigned hlat_leaf = 1;        ///< level of the leaf in the HLAT tables
  unsigned hlat_restart = 0;     ///< level of the HLAT entry that restarts the walk; 0: none
  Flags flags = Flags::kRandom;  ///< accessed and dirty flags
  bool all_rights = true;        ///< else some are missing
  bool share_frames = false;     ///< tables of both dimensions in a few frames, one over another
};

Shape random_shape(Random& random, Features features, Levels levels, const mmu::Context& context);

/// An entry of the walk, and where it is in the image.
struct Spot {
  mmu::Place place;
  std::size_t word = 0;
  bool leaf = false;
  std::uint8_t size = 8;  ///< bytes: 4 in 32-bit paging
  std::uint8_t shift = 0;

  std::uint64_t get(const TestCase& test) const {
    return (test.image[word].value & mask()) >> shift;
  }
  void set(TestCase& test, std::uint64_t entry) const {
    std::uint64_t& value = test.image[word].value;
    value = (value & ~mask()) | (entry << shift & mask());
  }

 private:
  std::uint64_t mask() const { return size == 8 ? ~std::uint64_t{0} : bits(31, 0) << shift; }
};

/// Fills a case's image with tables that translate its request, in both pages if it crosses one.
/// Frame numbers are random over the whole physical width.
class TableBuilder {
 public:
  TableBuilder(Random& random, Features features, const Shape& shape, TestCase& test);

  void build();
  /// The same, in a case whose image has tables already: where they lead on, they are kept.
  void extend();
  /// In the order of the walk. Two places may share one word.
  const std::vector<Spot>& spots() const { return spots_; }
  /// The guest-physical address that the request was given, or its upper page.
  std::uint64_t gpa() const { return gpa_; }

 private:
  struct Tables {
    std::uint64_t root = 0;
    bool hlat = false;
    unsigned leaf = 1;
    unsigned restart = 0;
  };

  void map_page(std::uint64_t address, unsigned size);
  std::uint64_t legacy_root(std::uint64_t linear);
  std::optional<std::uint64_t> map_guest(std::uint64_t linear, const Tables& tables);
  bool is_leaf(unsigned level, std::uint64_t entry) const;
  std::uint64_t map_ept(std::uint64_t gpa, mmu::Place place);
  void map_sub_pages(std::uint64_t gpa, unsigned size);
  std::size_t word_at(std::uint64_t address, bool& found);
  std::uint64_t random_frame(unsigned width, unsigned offset_bits);
  std::uint64_t guest_entry(unsigned level, bool leaf, const Tables& tables);
  std::uint64_t narrow_entry(unsigned level, bool leaf);
  std::uint64_t rights(unsigned level, bool leaf);
  std::uint64_t ept_entry(unsigned level, bool leaf, mmu::Place place);
  std::uint64_t leaf_controls(std::uint64_t entry, unsigned level, bool final);
  std::uint64_t sub_page_entry(unsigned level, std::uint64_t gpa, unsigned size);
  bool flag();
  bool missing(unsigned one_in);
  bool mostly(unsigned one_in) { return !random_.one_in(one_in); }

  Random& random_;
  Features features_;
  const Shape& shape_;
  TestCase& test_;
  bool shadow_stack_ = false;      ///< the access needs a shadow-stack page
  unsigned supervisor_level_ = 0;  ///< of a guest entry with U/S = 0; 0: none
  unsigned guest_width_ = 0;
  std::array<std::uint64_t, 4> pool_{};
  std::vector<Spot> spots_;
  std::uint64_t gpa_ = 0;
};

}  // namespace eptsim::tb
