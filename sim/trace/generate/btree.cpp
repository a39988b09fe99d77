#include "sim/trace/generate/btree.hpp"

#include "sim/trace/generate/generated_trace.hpp"
#include "sim/trace/generate/permutation.hpp"
#include "sim/trace/generate/workloads.hpp"

namespace eptsim::sim::generate {
namespace {

/// Look-ups of random keys in a B+-tree whose nodes lie in random order, as those of a tree do that
/// has grown. In each node the key is sought by bisection, with branches.
class BTree {
 public:
  static constexpr std::size_t kMostAccesses = 16;

  explicit BTree(const Choice& choice)
      : node_bytes_(node_bytes(choice)),
        shape_(choice["footprint"] / node_bytes_, node_bytes_),
        place_(shape_.total_nodes(), random_at(choice["seed"], 0)),
        seed_(choice["seed"]),
        layout_(init_of(choice)),
        nodes_(layout_.filled_array(shape_.total_nodes() * (node_bytes_ / 8), 8)) {
    begin_lookup();
  }

  const MemoryLayout& layout() const { return layout_; }

  /// One node.
  void step(Emitter& out) {
    const auto address = nodes_ + node_bytes_ * place_(shape_.number(node_));
    // The load of the pointer that led here was the last one; the root's is in a register.
    std::uint32_t since = node_.level + 1 == shape_.levels() ? 0 : 1;
    const auto load = [&](const Site& site, std::uint64_t offset) {
      out.access(site, address + offset, since);
      if (since != 0) ++since;
    };
    load(kCount, 0);
    std::uint64_t low = 0;
    std::uint64_t high = shape_.count(node_);
    while (low < high) {
      const auto middle = (low + high) / 2;
      load(kKey, 8 + 8 * middle);
      if (key_ < shape_.key(node_, middle))
        high = middle;
      else
        low = middle + 1;
    }
    const auto pointers = 8 + 8 * shape_.most_keys();
    if (node_.level == 0) {
      load(kValue, pointers + 8 * (low - 1));
      begin_lookup();
    } else {
      load(kChild, pointers + 8 * low);
      node_ = shape_.child(node_, low);
    }
  }

 private:
  // test level; jz; mov count, [node]; xor low, low
  static constexpr Site kCount = {kCode + 0x10, RecordKind::kRead, 8, 4};
  // cmp low, high; jae; lea; shr; cmp key, [node + 8 + 8 * middle]; then jb; mov, or lea: of the
  // next, or of what follows the loop
  static constexpr Site kKey = {kCode + 0x20, RecordKind::kRead, 8, 6};
  // cmp; jae; mov node, [node + ... + 8 * low]; then dec level; jmp
  static constexpr Site kChild = {kCode + 0x30, RecordKind::kRead, 8, 4};
  static constexpr Site kValue = {kCode + 0x40, RecordKind::kRead, 8, 4};

  static std::uint64_t node_bytes(const Choice& choice) {
    if (choice["node"] % 16 != 0) choice.refuse("node", "isn't a multiple of 16");
    return choice["node"];
  }

  void begin_lookup() {
    key_ = looked_up_key(shape_.total_keys(), seed_, lookups_++);
    node_ = shape_.root();
  }

  std::uint64_t node_bytes_;
  BTreeShape shape_;
  SizedPermutation place_;  ///< of a node among all
  std::uint64_t seed_;
  MemoryLayout layout_;
  std::uint64_t nodes_;
  std::uint64_t lookups_ = 0;
  std::uint64_t key_ = 0;
  BTreeShape::Node node_ = {};
};

}  // namespace

Workload btree() {
  return {.name = "btree",
          .help = "look-ups of random keys in a B+-tree, each node searched by bisection",
          .parameters = with_seed({footprint_parameter(1024 * kMiB, 16 * kTiB),
                                   {.name = "node",
                                    .type = Parameter::Type::kBytes,
                                    .otherwise = 256,
                                    .minimum = 48,
                                    .maximum = 64 << 10,
                                    .help = "bytes of a node"}}),
          .open = GeneratedTrace<BTree>::open};
}

}  // namespace eptsim::sim::generate
