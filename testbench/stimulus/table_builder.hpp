#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "testbench/stimulus/context_builder.hpp"
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
  Flags flags = Flags::kRandom;  ///< accessed and dirty flags
  bool all_rights = true;        ///< else some are missing
  bool share_frames = false;     ///< tables of both dimensions in a few frames, one over another
};

Shape random_shape(Random& random, Features features, Levels levels, const mmu::Context& context);

/// Fills a case's image with tables that translate its request. Frame numbers are random over the
/// whole physical width.
class TableBuilder {
 public:
  /// An entry of the walk, and where it is in the image.
  struct Spot {
    mmu::Place place;
    std::size_t word = 0;
    bool leaf = false;
  };

  TableBuilder(Random& random, const Shape& shape, TestCase& test);

  void build();
  /// In the order of the walk. Two places may share one word.
  const std::vector<Spot>& spots() const { return spots_; }

 private:
  std::uint64_t map_guest();
  std::uint64_t map_ept(std::uint64_t gpa, unsigned guest_level);
  std::size_t word_at(std::uint64_t address, bool& found);
  std::uint64_t random_frame(unsigned width, unsigned level);
  std::uint64_t guest_entry(unsigned level, bool leaf);
  std::uint64_t ept_entry(unsigned level, bool leaf);
  bool flag();
  bool missing(unsigned one_in);

  Random& random_;
  const Shape& shape_;
  TestCase& test_;
  unsigned supervisor_level_ = 0;  ///< of a guest entry with U/S = 0; 0: none
  unsigned guest_width_ = 0;
  std::array<std::uint64_t, 3> pool_{};
  std::vector<Spot> spots_;
};

}  // namespace eptsim::tb
