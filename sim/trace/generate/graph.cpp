#include <vector>

#include "sim/trace/generate/generated_trace.hpp"
#include "sim/trace/generate/power_law_graph.hpp"
#include "sim/trace/generate/workloads.hpp"

namespace eptsim::sim::generate {
namespace {

/// Breadth-first search, top down, from one random root after another:
///
///   while (head < tail) { u = queue[head++];
///     for (e = rows[u]; e < rows[u + 1]; ++e) { v = edges[e];
///       if (parent[v] < 0) { parent[v] = u; queue[tail++] = v; } } }
class BreadthFirstSearch {
 public:
  static constexpr std::size_t kMostAccesses = 4;

  explicit BreadthFirstSearch(const Choice& choice)
      : BreadthFirstSearch(choice, scale_of(choice)) {}

  const MemoryLayout& layout() const { return layout_; }

  /// One edge, one vertex out of the queue, or one parent forgotten.
  void step(Emitter& out) {
    if (edge_ < last_edge_)
      follow_edge(out);
    else if (head_ < queue_.size())
      take_vertex(out);
    else if (forgotten_ < graph_.vertices())
      out.access(kForget, parents_ + kVertex * forgotten_++);
    else
      begin(out);
  }

 private:
  static constexpr std::uint16_t kVertex = 4;
  static constexpr std::uint16_t kRow = 8;
  static constexpr std::uint64_t kArrays = 4;

  static constexpr Site kForget = {kCode + 0x00, RecordKind::kWrite, kVertex, 4};
  static constexpr Site kRoot = {kCode + 0x10, RecordKind::kWrite, kVertex, 2};
  static constexpr Site kRootQueued = {kCode + 0x14, RecordKind::kWrite, kVertex, 1};
  static constexpr Site kVertexTaken = {kCode + 0x20, RecordKind::kRead, kVertex, 4};
  static constexpr Site kRowBegin = {kCode + 0x24, RecordKind::kRead, kRow, 1};
  static constexpr Site kRowEnd = {kCode + 0x28, RecordKind::kRead, kRow, 1};
  static constexpr Site kEdge = {kCode + 0x30, RecordKind::kRead, kVertex, 4};
  static constexpr Site kParent = {kCode + 0x34, RecordKind::kRead, kVertex, 1};      // cmp [..], 0
  static constexpr Site kParentSet = {kCode + 0x3c, RecordKind::kWrite, kVertex, 2};  // jge; mov
  static constexpr Site kQueued = {kCode + 0x40, RecordKind::kWrite, kVertex, 1};     // then inc

  static std::uint64_t bytes_of_vertex() { return kRow + 2 * kVertex; }

  static unsigned scale_of(const Choice& choice) {
    const auto bytes = choice["footprint"] - kArrays * kPageBytes;
    const auto vertices = bytes / (bytes_of_vertex() + kVertex * choice["degree"]);
    return static_cast<unsigned>(std::bit_width(vertices)) - 1;
  }

  /// As many edges as fill the footprint. Degrees are rounded at random: a hundredth is room
  /// enough for that.
  static std::uint64_t edges_of(const Choice& choice, unsigned scale) {
    const auto bytes = choice["footprint"] - kArrays * kPageBytes - (bytes_of_vertex() << scale);
    return bytes / kVertex / 100 * 99;
  }

  BreadthFirstSearch(const Choice& choice, unsigned scale)
      : graph_(scale, edges_of(choice, scale), random_at(choice["seed"], 0)),
        seed_(random_at(choice["seed"], 1)),
        layout_(init_of(choice)),
        rows_(layout_.filled_array(graph_.vertices() + 1, kRow)),
        edges_(layout_.filled_array(graph_.edges(), kVertex)),
        parents_(layout_.filled_array(graph_.vertices(), kVertex)),
        queue_begin_(layout_.array(graph_.vertices() * kVertex)),
        visited_(graph_.vertices() / 64 + 1),
        forgotten_(graph_.vertices()) {
    queue_.reserve(graph_.vertices());  // takes memory as it fills
  }

  void begin(Emitter& out) {
    std::fill(visited_.begin(), visited_.end(), 0);
    queue_.clear();
    head_ = 0;
    std::uint64_t root = 0;
    do {
      root = below(graph_.vertices(), random_at(seed_, roots_++));
    } while (graph_.degree(root) == 0);
    visit(root);
    out.access(kRoot, parents_ + kVertex * root);
    out.access(kRootQueued, queue_begin_);
    forgotten_ = 0;
  }

  void take_vertex(Emitter& out) {
    vertex_ = queue_[head_];
    out.access(kVertexTaken, queue_begin_ + kVertex * head_);
    ++head_;
    edge_ = graph_.first_edge(vertex_);
    last_edge_ = edge_ + graph_.degree(vertex_);
    out.access(kRowBegin, rows_ + kRow * vertex_, 1);
    out.access(kRowEnd, rows_ + kRow * (vertex_ + 1), 2);
    since_row_ = 2;
  }

  void follow_edge(Emitter& out) {
    const auto neighbour = graph_.neighbour(vertex_, edge_);
    const auto parent = parents_ + kVertex * neighbour;
    out.access(kEdge, edges_ + kVertex * edge_, since_row_);
    out.access(kParent, parent, 1);
    since_row_ += 2;
    ++edge_;
    if ((visited_[neighbour / 64] >> (neighbour % 64) & 1) != 0) return;
    out.access(kParentSet, parent, 2);
    out.access(kQueued, queue_begin_ + kVertex * queue_.size());
    visit(neighbour);
  }

  void visit(std::uint64_t vertex) {
    visited_[vertex / 64] |= std::uint64_t{1} << (vertex % 64);
    queue_.push_back(static_cast<std::uint32_t>(vertex));
  }

  PowerLawGraph graph_;
  std::uint64_t seed_;
  MemoryLayout layout_;
  std::uint64_t rows_;
  std::uint64_t edges_;
  std::uint64_t parents_;
  std::uint64_t queue_begin_;

  std::vector<std::uint64_t> visited_;
  std::vector<std::uint32_t> queue_;
  std::size_t head_ = 0;
  std::uint64_t roots_ = 0;
  std::uint64_t forgotten_;  ///< parents, after a search
  std::uint64_t vertex_ = 0;
  std::uint64_t edge_ = 0;
  std::uint64_t last_edge_ = 0;
  std::uint32_t since_row_ = 0;  ///< how many loads ago the row's begin was loaded
};

}  // namespace

Workload graph() {
  return {.name = "graph",
          .help = "breadth-first searches of a power-law graph in compressed rows",
          .parameters = with_seed({footprint_parameter(1024 * kMiB, kTiB / 16),
                                   {.name = "degree",
                                    .otherwise = 16,
                                    .minimum = 1,
                                    .maximum = 1024,
                                    .help = "edges of a vertex at least, on average"}}),
          .open = GeneratedTrace<BreadthFirstSearch>::open};
}

}  // namespace eptsim::sim::generate
