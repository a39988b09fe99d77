#include <bit>
#include <vector>

#include "sim/trace/generate/generated_trace.hpp"
#include "sim/trace/generate/permutation.hpp"
#include "sim/trace/generate/workloads.hpp"

namespace eptsim::sim::generate {
namespace {

constexpr std::uint64_t kLine = 64;
constexpr std::uint64_t kMostChains = 64;
constexpr std::uint64_t kMostHandlerPages = 1024;

/// Pointers that are followed: `for (;;) for (p : chains) p = *p;`, unrolled. One node a page, or
/// as densely as `stride` says. Node i belongs to chain i mod chains, and each chain goes through
/// its nodes in a random cycle. Now and then an interrupt comes, whose handler loads a word from
/// each of its own pages: nobody waits for these, but their translations take places in TLBs.
class Chase {
 public:
  static constexpr std::size_t kMostAccesses = kMostChains + kMostHandlerPages;

  explicit Chase(const Choice& choice)
      : chains_(choice["chains"]),
        stride_(choice["stride"]),
        lines_(choice["lines"] == kSpread ? std::min(kPageBytes, std::bit_floor(stride_)) / kLine
                                          : 1),
        interrupt_(choice["interrupt"]),
        handler_(interrupt_ != 0 ? choice["handler"] : 0),
        layout_(init_of(choice)) {
    const auto pages = choice["pages"];
    if (chains_ > pages) choice.refuse("chains", "is more than there are pages");
    if (stride_ % kLine != 0) choice.refuse("stride", "isn't a multiple of a line, 64");
    if (stride_ > 16 * kTiB / pages) choice.refuse("stride", "leads beyond 16TiB");
    nodes_ = layout_.nodes(pages, stride_, lines_);
    if (handler_ != 0) handler_pages_ = layout_.nodes(handler_, kPageBytes, kPageLines);
    for (std::uint64_t i = 0; i < chains_; ++i)
      cycles_.emplace_back((pages - i + chains_ - 1) / chains_, random_at(choice["seed"], i));
  }

  const MemoryLayout& layout() const { return layout_; }

  /// A load of each chain, and the interrupt that may come after them.
  void step(Emitter& out) {
    for (std::uint64_t i = 0; i < chains_; ++i) {
      const auto node = cycles_[i].next() * chains_ + i;
      const Site load = {kCode + 4 * i, RecordKind::kRead, 8, 1};  // mov reg, [reg]
      out.access(load, nodes_ + node * stride_ + kLine * line_of_node(node, lines_), last_);
    }
    last_ = static_cast<std::uint32_t>(chains_);
    loads_ += chains_;
    if (handler_ == 0 || loads_ < interrupt_) return;
    loads_ = 0;
    for (std::uint64_t i = 0; i < handler_; ++i) {
      const Site load = {kHandlerCode, RecordKind::kRead, 8, 1};
      out.access(load, handler_pages_ + i * kPageBytes + kLine * line_of_node(i, kPageLines));
    }
    last_ += static_cast<std::uint32_t>(handler_);
  }

 private:
  static constexpr std::uint64_t kSpread = 0;
  static constexpr std::uint64_t kPageLines = kPageBytes / kLine;
  static constexpr std::uint64_t kHandlerCode = kCode + 4 * kMostChains;

  std::uint64_t chains_;
  std::uint64_t stride_;
  std::uint64_t lines_;
  std::uint64_t interrupt_;
  std::uint64_t handler_;
  MemoryLayout layout_;
  std::uint64_t nodes_ = 0;
  std::uint64_t handler_pages_ = 0;
  std::uint64_t loads_ = 0;  ///< since the last interrupt
  std::vector<RandomCycle> cycles_;
  std::uint32_t last_ = 0;  ///< how many loads ago each chain made its last; 0: it hasn't yet
};

}  // namespace

Workload chase() {
  using Type = Parameter::Type;
  return {
      .name = "chase",
      .help = "dependent loads, one a page, in a random cycle over all pages",
      .version = 2,
      .parameters = with_seed({{.name = "pages",
                                .otherwise = 16384,
                                .minimum = 1,
                                .maximum = std::uint64_t{1} << 32,
                                .help = "nodes, one a page"},
                               {.name = "chains",
                                .otherwise = 1,
                                .minimum = 1,
                                .maximum = kMostChains,
                                .help = "independent chains, which share the nodes"},
                               {.name = "stride",
                                .type = Type::kBytes,
                                .otherwise = kPageBytes,
                                .minimum = kLine,
                                .maximum = kTiB,
                                .help = "from one node to the next; 64: the same lines, densely"},
                               {.name = "lines",
                                .type = Type::kWord,
                                .words = {"spread", "first"},
                                .help = "which line of its page a node takes"},
                               {.name = "interrupt",
                                .otherwise = 0,
                                .maximum = std::uint64_t{1} << 32,
                                .help = "loads from one interrupt to the next; 0: none comes"},
                               {.name = "handler",
                                .otherwise = 96,
                                .minimum = 1,
                                .maximum = kMostHandlerPages,
                                .help = "pages that an interrupt's handler loads from"}}),
      .open = GeneratedTrace<Chase>::open};
}

}  // namespace eptsim::sim::generate
