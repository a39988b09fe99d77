#include "sim/trace/generate/generated_trace.hpp"
#include "sim/trace/generate/permutation.hpp"
#include "sim/trace/generate/workloads.hpp"

namespace eptsim::sim::generate {
namespace {

constexpr std::uint64_t kLine = 64;

/// What programs are made of, in fixed shares. Of four accesses one follows a pointer through
/// `footprint`, a line a node, in a random cycle; one strides through an array; one reads and one
/// writes a word of a small hot set.
class Mix {
 public:
  static constexpr std::size_t kMostAccesses = 4;

  explicit Mix(const Choice& choice)
      : array_bytes_(choice["array"]),
        stride_(choice["stride"]),
        hot_words_(choice["hot"] / 8),
        seed_(choice["seed"]),
        cycle_(choice["footprint"] / kLine, random_at(seed_, 0)),
        layout_(init_of(choice)),
        nodes_(layout_.nodes(choice["footprint"] / kLine, kLine, 1)),
        array_(layout_.filled_array(array_bytes_ / 8, 8)),
        hot_(layout_.filled_array(hot_words_, 8)) {
    if (stride_ % 8 != 0) choice.refuse("stride", "isn't a multiple of a word, 8");
    if (stride_ > array_bytes_) choice.refuse("stride", "is more than the array");
  }

  const MemoryLayout& layout() const { return layout_; }

  void step(Emitter& out) {
    out.access(kChase, nodes_ + kLine * cycle_.next(), last_);
    last_ = 3;  // the two reads between
    out.access(kStride, array_ + at_);
    at_ += stride_;
    if (at_ + 8 > array_bytes_) at_ = 0;
    const auto random = random_at(seed_, ++turn_);
    out.access(kHotRead, hot_ + 8 * below(hot_words_, random));
    out.access(kHotWrite, hot_ + 8 * below(hot_words_, random << 32));
  }

 private:
  static constexpr Site kChase = {kCode + 0x10, RecordKind::kRead, 8, 4};
  static constexpr Site kStride = {kCode + 0x20, RecordKind::kRead, 8, 3};
  static constexpr Site kHotRead = {kCode + 0x30, RecordKind::kRead, 8, 4};
  static constexpr Site kHotWrite = {kCode + 0x40, RecordKind::kWrite, 8, 3};

  std::uint64_t array_bytes_;
  std::uint64_t stride_;
  std::uint64_t hot_words_;
  std::uint64_t seed_;
  RandomCycle cycle_;
  MemoryLayout layout_;
  std::uint64_t nodes_;
  std::uint64_t array_;
  std::uint64_t hot_;
  std::uint64_t at_ = 0;
  std::uint64_t turn_ = 0;
  std::uint32_t last_ = 0;
};

}  // namespace

Workload mix() {
  const auto size = [](std::string_view name, std::uint64_t otherwise, std::uint64_t minimum,
                       std::string_view help) {
    return Parameter{.name = name,
                     .type = Parameter::Type::kBytes,
                     .otherwise = otherwise,
                     .minimum = minimum,
                     .maximum = kTiB,
                     .help = help};
  };
  return {.name = "mix",
          .help =
              "a pointer chase, a stride and a hot set, about 27 % misses in a first-level TLB "
              "and 22 % in both levels",
          .parameters = with_seed(
              {footprint_parameter(64 * kMiB, 16 * kTiB, "bytes that the chase goes through"),
               size("array", 256 << 10, kPageBytes, "bytes that the stride goes through"),
               size("stride", 256, 8, "bytes from one access to the next there"),
               size("hot", 64 << 10, 64, "bytes of the hot set")}),
          .open = GeneratedTrace<Mix>::open};
}

}  // namespace eptsim::sim::generate
