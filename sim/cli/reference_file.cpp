#include "sim/cli/reference_file.hpp"

#include <fmt/format.h>

#include <iterator>

namespace eptsim::sim {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 16;

}  // namespace

ReferenceFile::ReferenceFile(const ReferenceOptions& options, bool counting)
    : options_(options), file_(options.path), counting_(counting) {}

void ReferenceFile::see_reference(mmu::Cycle cycle, arch::Hpa address, bool write) {
  if (!counting_ || options_.place != ReferenceOptions::Place::kWalker) return;
  this->write(cycle, address, write);
}

/// DRAM is asked at once for what comes later: it waits here for what comes before.
void ReferenceFile::see_line(mmu::Cycle now, mmu::Cycle cycle, arch::Hpa line, bool write,
                             mmu::AccessOrigin origin) {
  if (!counting_ || options_.place != ReferenceOptions::Place::kDram) return;
  if (origin != mmu::AccessOrigin::kWalk && !options_.data) return;
  write_until(now);
  waiting_.push({cycle, lines_++, line, write});
}

/// What comes later is of `cycle` at the earliest, and behind what is here.
void ReferenceFile::write_until(mmu::Cycle cycle) {
  for (; !waiting_.empty() && waiting_.top().cycle <= cycle; waiting_.pop()) {
    const Line& line = waiting_.top();
    write(line.cycle, line.address, line.write);
  }
}

void ReferenceFile::write(mmu::Cycle cycle, arch::Hpa address, bool write) {
  if (!first_) first_ = cycle;
  auto out = std::back_inserter(text_);
  if (options_.format == ReferenceOptions::Format::kRamulator2) {
    fmt::format_to(out, "{} {:#x}\n", write ? "ST" : "LD", address.value());
  } else {
    fmt::format_to(out, "{:#x} {} {}\n", address.value(), write ? "WRITE" : "READ",
                   cycle - *first_);
  }
  if (text_.size() >= kPiece) write_out();
}

/// What goes wrong in the midst of a run is said at its end.
void ReferenceFile::write_out() {
  try {
    if (!error_) {
      file_.write({reinterpret_cast<const std::uint8_t*>(text_.data()), text_.size()});
    }
  } catch (const InputError& error) {
    error_ = error;
  }
  text_.clear();
}

void ReferenceFile::finish() {
  write_until(mmu::kNever);
  write_out();
  if (error_) throw *error_;
  file_.finish();
}

}  // namespace eptsim::sim
