#include <array>

#include "sim/trace/generate/generated_trace.hpp"
#include "sim/trace/generate/workloads.hpp"

namespace eptsim::sim::generate {
namespace {

enum class Kernel : std::uint8_t { kSum, kFill, kCopy, kTriad };

/// Arrays from begin to end, again and again:
///
///   sum    s += a[i]
///   fill   a[i] = s
///   copy   a[i] = b[i]
///   triad  a[i] = b[i] + s * c[i]
class Stream {
 public:
  static constexpr std::size_t kMostAccesses = 3;

  explicit Stream(const Choice& choice)
      : kernel_(static_cast<Kernel>(choice["kernel"])),
        element_(choice["element"]),
        layout_(init_of(choice)) {
    const std::uint64_t arrays = kernel_ == Kernel::kTriad ? 3 : kernel_ == Kernel::kCopy ? 2 : 1;
    const auto pages = choice["footprint"] / kPageBytes / arrays;
    bytes_ = pages * kPageBytes / element_ * element_;
    for (std::size_t i = 0; i < arrays; ++i)
      arrays_[i] = layout_.filled_array(bytes_ / element_, static_cast<std::uint16_t>(element_));
  }

  const MemoryLayout& layout() const { return layout_; }

  void step(Emitter& out) {
    // Before the loop's first access stand the end of the turn before: add; cmp; jne.
    const auto read = [&](std::uint64_t site, std::size_t array, std::uint32_t instructions) {
      out.access({kCode + site, RecordKind::kRead, size(), instructions}, arrays_[array] + at_);
    };
    const auto write = [&](std::uint64_t site, std::uint32_t instructions) {
      out.access({kCode + site, RecordKind::kWrite, size(), instructions}, arrays_[0] + at_);
    };
    switch (kernel_) {
      case Kernel::kSum: read(0x10, 0, 4); break;
      case Kernel::kFill: write(0x10, 4); break;
      case Kernel::kCopy:
        read(0x10, 1, 4);
        write(0x14, 1);
        break;
      case Kernel::kTriad:
        read(0x10, 2, 4);  // mov x, [c + i]; mul x, s
        read(0x18, 1, 2);  // add x, [b + i]
        write(0x1c, 1);    // mov [a + i], x
    }
    at_ += element_;
    if (at_ == bytes_) at_ = 0;
  }

 private:
  std::uint16_t size() const { return static_cast<std::uint16_t>(element_); }

  Kernel kernel_;
  std::uint64_t element_;
  MemoryLayout layout_;
  std::uint64_t bytes_ = 0;  ///< of an array
  std::array<std::uint64_t, 3> arrays_ = {};
  std::uint64_t at_ = 0;
};

}  // namespace

Workload stream() {
  return {.name = "stream",
          .help = "arrays read or written from begin to end, again and again",
          .parameters = with_common({footprint_parameter(1024 * kMiB, 16 * kTiB),
                                     {.name = "kernel",
                                      .type = Parameter::Type::kWord,
                                      .words = {"sum", "fill", "copy", "triad"},
                                      .help = "what is done with how many arrays"},
                                     {.name = "element",
                                      .type = Parameter::Type::kBytes,
                                      .otherwise = 8,
                                      .minimum = 1,
                                      .maximum = 64,
                                      .help = "bytes of one access; 64 with wide vectors"}}),
          .open = GeneratedTrace<Stream>::open};
}

}  // namespace eptsim::sim::generate
