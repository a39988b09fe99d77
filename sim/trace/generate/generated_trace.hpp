#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "sim/trace/generate/emitter.hpp"
#include "sim/trace/generate/memory_layout.hpp"
#include "sim/trace/generate/workload.hpp"

namespace eptsim::sim::generate {

constexpr std::string_view kFormatName = "generated";

/// The parameters that every workload has, after its own.
inline std::vector<Parameter> with_common(std::vector<Parameter> own) {
  own.push_back({.name = "accesses",
                 .otherwise = 20'000'000,
                 .minimum = 1,
                 .maximum = std::uint64_t{1} << 48,
                 .help = "accesses after those of init",
                 .common = true});
  own.push_back({.name = "init",
                 .type = Parameter::Type::kWord,
                 .otherwise = 1,
                 .words = {"off", "touch", "full"},
                 .help = "stores that fill the data first: none, one a page, or all",
                 .common = true});
  return own;
}
/// And a seed, which all have that do anything at random.
inline std::vector<Parameter> with_seed(std::vector<Parameter> own) {
  own = with_common(std::move(own));
  own.push_back({.name = "seed",
                 .otherwise = 1,
                 .maximum = ~std::uint64_t{0},
                 .help = "of all that is random; stream has none",
                 .common = true});
  return own;
}

inline Parameter footprint_parameter(std::uint64_t otherwise, std::uint64_t maximum,
                                     std::string_view help = "bytes of all its data") {
  return {.name = "footprint",
          .type = Parameter::Type::kBytes,
          .otherwise = otherwise,
          .minimum = 64 << 10,
          .maximum = maximum,
          .help = help};
}
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;

inline MemoryLayout::Init init_of(const Choice& choice) {
  return static_cast<MemoryLayout::Init>(choice["init"]);
}

/// The trace of a Program, which has
///
///   static constexpr std::size_t kMostAccesses;   // that one step makes
///   explicit Program(const Choice&);
///   const MemoryLayout& layout() const;
///   void step(Emitter&);                          // a piece of the algorithm; it never ends
///
/// Steps write where the caller wants the records, so that nothing is copied, but for the step that
/// doesn't fit there.
template <class Program>
class GeneratedTrace final : public TraceReader {
 public:
  explicit GeneratedTrace(const Choice& choice)
      : program_(choice),
        init_(program_.layout().initial_stores()),
        total_(init_.total() + choice["accesses"]) {}

  static std::unique_ptr<TraceReader> open(const Choice& choice) {
    return std::make_unique<GeneratedTrace>(choice);
  }

  std::size_t read(std::span<Record> records) override {
    if (records.size() > total_ - given_) records = records.first(total_ - given_);
    std::size_t count = take_left_over(records);
    while (count < records.size() && !init_.done()) {
      Emitter out(&records[count++]);
      init_.step(out);
    }
    while (records.size() - count >= Program::kMostAccesses) count += step(records.data() + count);
    while (count < records.size()) {
      left_over_end_ = step(left_over_.data());
      count += take_left_over(records.subspan(count));
    }
    given_ += count;
    return count;
  }

  std::string_view format() const override { return kFormatName; }
  bool has_fetches() const override { return false; }
  std::optional<std::uint64_t> total_accesses() const override { return total_; }

 private:
  std::size_t step(Record* at) {
    Emitter out(at);
    program_.step(out);
    return static_cast<std::size_t>(out.end() - at);
  }

  std::size_t take_left_over(std::span<Record> records) {
    const auto count = std::min(left_over_end_ - left_over_begin_, records.size());
    std::copy_n(left_over_.begin() + static_cast<std::ptrdiff_t>(left_over_begin_), count,
                records.begin());
    left_over_begin_ += count;
    if (left_over_begin_ == left_over_end_) left_over_begin_ = left_over_end_ = 0;
    return count;
  }

  Program program_;
  InitPhase init_;
  std::uint64_t total_;
  std::uint64_t given_ = 0;
  std::array<Record, Program::kMostAccesses> left_over_ = {};
  std::size_t left_over_begin_ = 0;
  std::size_t left_over_end_ = 0;
};

}  // namespace eptsim::sim::generate
