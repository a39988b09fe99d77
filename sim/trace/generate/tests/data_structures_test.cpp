// Workloads that go through a data structure: btree, hashjoin, graph. What they do is worked out
// from the records, and held against the same done directly.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>

#include "sim/trace/generate/btree.hpp"
#include "sim/trace/generate/emitter.hpp"
#include "sim/trace/generate/hash_join.hpp"
#include "sim/trace/generate/power_law_graph.hpp"
#include "sim/trace/generate/tests/workload_records.hpp"

namespace eptsim::sim::generate {
namespace {

TEST(BTreeShape, OrdersEachKeyOnceAndSeparatesSubtreesByTheirLeastKey) {
  for (const std::uint64_t node_bytes : {48u, 64u, 256u, 4096u}) {
    for (const std::uint64_t nodes : {1u, 2u, 3u, 10u, 1000u, 4097u}) {
      const BTreeShape shape(nodes, node_bytes);
      EXPECT_LE(shape.total_nodes(), nodes);
      EXPECT_GE(shape.total_nodes() + shape.levels() + 1, nodes) << "one more leaf wouldn't fit";
      std::uint64_t next = 0;
      std::set<std::uint64_t> numbers;
      // Down from the root in order; returns the least key below `node`.
      const auto visit = [&](const auto& self, BTreeShape::Node node) -> std::uint64_t {
        EXPECT_TRUE(numbers.insert(shape.number(node)).second);
        const auto least = next;
        if (node.level == 0) {
          for (std::uint64_t i = 0; i < shape.count(node); ++i)
            EXPECT_EQ(shape.key(node, i), next++);
          return least;
        }
        for (std::uint64_t i = 0; i <= shape.count(node); ++i) {
          const auto below = self(self, shape.child(node, i));
          if (i > 0) {
            EXPECT_EQ(shape.key(node, i - 1), below);
          }
        }
        return least;
      };
      visit(visit, shape.root());
      EXPECT_EQ(next, shape.total_keys());
      EXPECT_EQ(numbers.size(), shape.total_nodes());
      EXPECT_EQ(*numbers.rbegin(), shape.total_nodes() - 1);
    }
  }
}

TEST(BTree, EachLookUpGoesDownEveryLevelByThePointersItLoads) {
  constexpr std::uint64_t kNode = 256;
  const BTreeShape shape((1 << 20) / kNode, kNode);
  ASSERT_EQ(shape.levels(), 4u);
  const auto records = records_of("btree,footprint=1MiB,init=off,accesses=400000");
  const auto root = records.front().address;
  const auto node_of = [&](const Record& record) {
    return kData + (record.address - kData) / kNode * kNode;
  };
  const std::uint64_t pointers = 8 + 8 * shape.most_keys();
  std::map<std::uint64_t, std::uint64_t> children;  // what stands at each child pointer
  std::set<std::uint64_t> values;
  Dependences dependences;
  std::size_t depth = 0;
  unsigned keys = 0;
  std::uint64_t lookups = 0;
  const Record* pointer = nullptr;  // that led to this node
  std::vector<std::pair<BTreeShape::Node, std::uint64_t>> path = {{shape.root(), 0}};
  for (const auto& record : records) {
    const auto* from = dependences.of(record);
    const auto offset = record.address - node_of(record);
    if (offset == 0) {
      ++depth;
      keys = 0;
      const auto node = pointer == nullptr
                            ? root
                            : children.emplace(pointer->address, record.address).first->second;
      EXPECT_EQ(record.address, node);
    }
    EXPECT_EQ(from, pointer) << "everything in a node is found by the pointer to it";
    if (offset != 0 && offset < pointers) {
      EXPECT_LE(++keys, 4u) << "15 keys: 4 comparisons";
    }
    if (offset < pointers) continue;
    pointer = &record;
    auto& [node, slot] = path.back();
    slot = (offset - pointers) / 8;
    if (depth < shape.levels()) {
      path.emplace_back(shape.child(node, slot), 0);
      continue;
    }
    const auto found = shape.key(node, slot);
    EXPECT_EQ(found, looked_up_key(shape.total_keys(), 1, lookups));
    for (const auto& [above, way] : std::span(path).first(path.size() - 1)) {
      if (way > 0) {
        EXPECT_LE(shape.key(above, way - 1), found);
      }
      if (way < shape.count(above)) {
        EXPECT_GT(shape.key(above, way), found);
      }
    }
    path = {{shape.root(), 0}};
    values.insert(record.address);
    ++lookups;
    depth = 0;
    pointer = nullptr;
  }
  EXPECT_LE(children.size(), shape.total_nodes() - 1);
  EXPECT_GT(children.size(), shape.total_nodes() * 9 / 10);
  std::set<std::uint64_t> places;
  for (const auto& [at, child] : children) EXPECT_TRUE(places.insert(child).second);
  // As many different values as so many random look-ups among so many keys find.
  const auto total = static_cast<double>(shape.total_keys());
  const double expected = total * (1 - std::exp(-static_cast<double>(lookups) / total));
  EXPECT_NEAR(static_cast<double>(values.size()), expected, 300);
}

struct Join {
  std::uint64_t matches = 0;
  std::uint64_t probes = 0;
  std::uint64_t built = 0;
};

/// Replays joins on a memory of its own for pointers, and counts those that came to their end.
std::vector<Join> replay(const std::vector<Record>& records) {
  constexpr auto site = [](std::uint64_t offset) { return kCode + offset; };
  std::vector<Join> ended;
  Join join;
  std::unordered_map<std::uint64_t, std::uint64_t> memory;  // bucket or next field: entry
  Dependences dependences;
  std::uint64_t entry = 0;
  std::uint64_t old_first = 0;
  std::uint64_t expected = 0;  // the entry that the probe must look at next
  const Record* last_pointer = nullptr;
  const Record* tuple = nullptr;
  for (const auto& record : records) {
    const auto* from = dependences.of(record);
    switch (record.ip) {
      case site(0x10):
        ++join.built;
        tuple = &record;
        break;
      case site(0x20):
        EXPECT_EQ(from, tuple) << "a bucket is found by the key";
        old_first = memory[record.address];
        break;
      case site(0x30): entry = record.address; break;
      case site(0x38): memory[record.address] = old_first; break;
      case site(0x3c):
        EXPECT_EQ(from, tuple);
        memory[record.address] = entry;
        break;
      case site(0x50):
        EXPECT_EQ(expected, 0u) << "a probe goes to the end of its bucket";
        ++join.probes;
        tuple = &record;
        break;
      case site(0x60):
        EXPECT_EQ(from, tuple);
        expected = memory[record.address];
        last_pointer = &record;
        break;
      case site(0x70):
        EXPECT_EQ(record.address, expected);
        EXPECT_EQ(from, last_pointer);
        break;
      case site(0x78):
        EXPECT_EQ(from, last_pointer);
        EXPECT_EQ(record.address, expected + 8);
        ++join.matches;
        break;
      case site(0x80):
        EXPECT_EQ(from, last_pointer);
        EXPECT_EQ(record.address, expected + 16);
        expected = memory[record.address];
        last_pointer = &record;
        break;
      case site(0x90):
        memory[record.address] = 0;
        if (join.built > 0) ended.push_back(std::exchange(join, {}));
        break;
      default: break;
    }
  }
  return ended;
}

TEST(HashJoin, FindsWhatAJoinByNestedLoopsWouldFind) {
  for (const std::uint64_t percent : {100u, 40u}) {
    const auto records =
        records_of("hashjoin,footprint=256KiB,init=off,ratio=3,seed=5,accesses=200000,match=" +
                   std::to_string(percent));
    const auto joins = replay(records);
    ASSERT_GE(joins.size(), 2u);
    const auto& join = joins.front();
    EXPECT_EQ(joins.back().matches, join.matches) << "the buckets were emptied";
    EXPECT_EQ(join.built, (256u * 1024 - 4 * 4096) / (16 + 24 + 8 + 3 * 16));
    EXPECT_EQ(join.probes, 3 * join.built);
    const JoinKeys keys(join.built, percent, 5);
    std::unordered_multimap<std::uint64_t, std::uint64_t> table;
    for (std::uint64_t i = 0; i < join.built; ++i) table.emplace(keys.build(i), i);
    std::uint64_t matches = 0;
    for (std::uint64_t i = 0; i < join.probes; ++i) matches += table.count(keys.probe(i));
    EXPECT_EQ(join.matches, matches);
    EXPECT_NEAR(static_cast<double>(matches) * 100 / static_cast<double>(join.probes),
                static_cast<double>(percent), 3);
  }
}

TEST(HashJoin, ProbesAloneAreThoseOfTheWholeJoin) {
  const auto whole = records_of("hashjoin,footprint=256KiB,init=off,accesses=100000");
  const auto probes = records_of("hashjoin,footprint=256KiB,init=off,accesses=20000,phase=probe");
  const auto first = std::ranges::find(whole, kCode + 0x50, &Record::ip);
  ASSERT_GT(whole.end() - first, 20000);
  for (std::ptrdiff_t i = 0; i < 20000; ++i)
    EXPECT_EQ(first[i].address, probes[static_cast<std::size_t>(i)].address);
}

TEST(PowerLawGraph, RowsFollowOneAnotherAndHoldAllEdges) {
  const PowerLawGraph graph(12, 65536, 3);
  EXPECT_EQ(graph.vertices(), 4096u);
  EXPECT_NEAR(static_cast<double>(graph.edges()), 65536, 300) << "rounding at random";
  for (std::uint64_t vertex = 0; vertex + 1 < graph.vertices(); ++vertex)
    EXPECT_EQ(graph.first_edge(vertex) + graph.degree(vertex), graph.first_edge(vertex + 1));
  EXPECT_EQ(graph.first_edge(4095) + graph.degree(4095), graph.edges());
}

TEST(PowerLawGraph, EdgesAreAsRmatThrowsThem) {
  // R-MAT by its definition, one edge at a time, held against degrees at both ends.
  constexpr unsigned kScale = 10;
  constexpr std::uint64_t kEdges = 200'000;
  std::vector<double> out(1 << kScale);
  std::vector<double> in(1 << kScale);
  for (std::uint64_t edge = 0; edge < kEdges; ++edge) {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    for (unsigned bit = 0; bit < kScale; ++bit) {
      const auto random = below(100, random_at(42, edge * kScale + bit));
      const unsigned quadrant = random < 57 ? 0 : random < 76 ? 1 : random < 95 ? 2 : 3;
      from = 2 * from + quadrant / 2;
      to = 2 * to + quadrant % 2;
    }
    ++out[from];
    ++in[to];
  }
  const PowerLawGraph graph(kScale, kEdges, 7);
  std::vector<double> graph_out(1 << kScale);
  std::vector<double> graph_in(1 << kScale);
  for (std::uint64_t vertex = 0; vertex < graph.vertices(); ++vertex) {
    graph_out[vertex] = static_cast<double>(graph.degree(vertex));
    const auto first = graph.first_edge(vertex);
    for (std::uint64_t edge = first; edge < first + graph.degree(vertex); ++edge)
      ++graph_in[graph.neighbour(vertex, edge)];
  }
  for (auto* degrees : {&out, &in, &graph_out, &graph_in})
    std::ranges::sort(*degrees, std::greater<>());
  // The names of vertices differ; the degrees by rank must not.
  for (const std::size_t rank : {0u, 1u, 5u, 20u, 100u, 300u}) {
    EXPECT_NEAR(graph_out[rank], out[rank], 0.06 * out[rank] + 12) << "rank " << rank;
    EXPECT_NEAR(graph_in[rank], in[rank], 0.06 * in[rank] + 12) << "rank " << rank;
  }
}

TEST(Graph, EachSearchReachesEachReachableVertexOnceInTheOrderOfItsQueue) {
  // The graph that the workload has: 4 arrays of which edges fill what is left.
  constexpr std::uint64_t kFootprint = 1 << 20;
  constexpr unsigned kScale = 13;
  constexpr std::uint64_t kVertices = 1 << kScale;
  const PowerLawGraph graph(kScale, (kFootprint - 4 * 4096 - 16 * kVertices) / 4 / 100 * 99,
                            random_at(1, 0));
  const std::uint64_t rows = kData;
  const std::uint64_t edges = rows + whole_pages(8 * (kVertices + 1));
  const std::uint64_t parents = edges + whole_pages(4 * graph.edges());
  const std::uint64_t queue = parents + whole_pages(4 * kVertices);

  const auto records = records_of("graph,footprint=1MiB,init=off,accesses=3000000");
  std::vector<std::uint64_t> queued;  // the queue, in order
  std::size_t head = 0;
  std::set<std::uint64_t> visited;
  std::set<std::uint64_t> forgotten;
  std::uint64_t vertex = 0;
  std::uint64_t edge = 0;
  std::uint64_t last_edge = 0;
  const Record* taken = nullptr;
  const Record* row = nullptr;
  const Record* edge_load = nullptr;
  std::uint64_t neighbour = 0;
  unsigned searches = 0;
  Dependences dependences;
  for (const auto& record : records) {
    const auto* from = dependences.of(record);
    const auto at = record.address;
    switch (record.ip - kCode) {
      case 0x00:  // a parent forgotten: the search is over
        if (forgotten.empty()) {
          EXPECT_EQ(head, queued.size());
          EXPECT_EQ(edge, last_edge);
          // All that can be reached, worked out from the edges alone.
          std::set<std::uint64_t> reachable = {queued.front()};
          std::vector<std::uint64_t> open = {queued.front()};
          while (!open.empty()) {
            const auto v = open.back();
            open.pop_back();
            for (auto e = graph.first_edge(v); e < graph.first_edge(v) + graph.degree(v); ++e)
              if (reachable.insert(graph.neighbour(v, e)).second)
                open.push_back(graph.neighbour(v, e));
          }
          EXPECT_EQ(visited, reachable);
          ++searches;
        }
        forgotten.insert((at - parents) / 4);
        break;
      case 0x10:  // a root
        if (searches > 0) {
          EXPECT_EQ(forgotten.size(), kVertices);
        }
        forgotten.clear();
        visited = {(at - parents) / 4};
        queued = {(at - parents) / 4};
        head = 0;
        break;
      case 0x20:
        ASSERT_LT(head, queued.size());
        EXPECT_EQ(at, queue + 4 * head);
        EXPECT_EQ(edge, last_edge) << "the vertex before is done";
        vertex = queued[head++];
        taken = &record;
        break;
      case 0x24:
        EXPECT_EQ(at, rows + 8 * vertex);
        EXPECT_EQ(from, taken);
        edge = graph.first_edge(vertex);
        last_edge = edge + graph.degree(vertex);
        row = &record;
        break;
      case 0x28:
        EXPECT_EQ(at, rows + 8 * (vertex + 1));
        EXPECT_EQ(from, taken);
        break;
      case 0x30:
        EXPECT_EQ(at, edges + 4 * edge);
        EXPECT_EQ(from, row);
        neighbour = graph.neighbour(vertex, edge++);
        edge_load = &record;
        break;
      case 0x34:
        EXPECT_EQ(at, parents + 4 * neighbour);
        EXPECT_EQ(from, edge_load);
        break;
      case 0x3c:
        EXPECT_EQ(at, parents + 4 * neighbour);
        EXPECT_EQ(from, edge_load);
        EXPECT_TRUE(visited.insert(neighbour).second) << "no vertex twice";
        break;
      case 0x40:
        EXPECT_EQ(at, queue + 4 * queued.size());
        queued.push_back(neighbour);
        break;
      default: EXPECT_EQ(record.ip - kCode, 0x14u);
    }
  }
  EXPECT_GE(searches, 3u);
}

}  // namespace
}  // namespace eptsim::sim::generate
