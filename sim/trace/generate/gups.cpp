#include "sim/trace/generate/generated_trace.hpp"
#include "sim/trace/generate/random.hpp"
#include "sim/trace/generate/workloads.hpp"

namespace eptsim::sim::generate {
namespace {

/// RandomAccess, whose result is counted in giga-updates per second:
///
///   for (;;) { ran = ran * A + C; table[high_half(ran * words)] ^= ran; }
class Gups {
 public:
  static constexpr std::size_t kMostAccesses = 1;

  explicit Gups(const Choice& choice)
      : words_(choice["footprint"] / 8),
        random_(scrambled(choice["seed"])),
        layout_(init_of(choice)),
        table_(layout_.filled_array(words_, 8)) {}

  const MemoryLayout& layout() const { return layout_; }

  void step(Emitter& out) {
    random_ = random_ * 0x5851'f42d'4c95'7f2d + 0x1405'7b7e'f767'814f;
    out.access(kUpdate, table_ + 8 * below(words_, random_));
  }

 private:
  // imul; add; mov; mul; xor [table + 8 * rdx], ran; dec; jne
  static constexpr Site kUpdate = {kCode + 0x10, RecordKind::kModify, 8, 7};

  std::uint64_t words_;
  std::uint64_t random_;
  MemoryLayout layout_;
  std::uint64_t table_;
};

}  // namespace

Workload gups() {
  return {.name = "gups",
          .help = "random read-modify-writes of 8-byte words all over a table",
          .parameters = with_seed({footprint_parameter(1024 * kMiB, 16 * kTiB)}),
          .open = GeneratedTrace<Gups>::open};
}

}  // namespace eptsim::sim::generate
