#include "sim/run/merging.hpp"

namespace eptsim::sim {

MergeCounts& MergeCounts::operator+=(const MergeCounts& more) {
  merges += more.merges;
  pages += more.pages;
  refused += more.refused;
  cycles += more.cycles;
  return *this;
}

MergeCounts MergeCounts::operator-(const MergeCounts& before) const {
  return {.merges = merges - before.merges,
          .pages = pages - before.pages,
          .refused = refused - before.refused,
          .cycles = cycles - before.cycles};
}

void SmallPieces::add(std::uint16_t asid, std::uint64_t address) {
  pieces_.insert({.asid = asid, .begin = address & ~(arch::bytes(kMergedPage) - 1)});
}

std::optional<SmallPieces::Piece> SmallPieces::next() {
  if (pieces_.empty()) return std::nullopt;
  const auto after = pieces_.upper_bound(last_);
  last_ = after == pieces_.end() ? *pieces_.begin() : *after;
  return last_;
}

}  // namespace eptsim::sim
