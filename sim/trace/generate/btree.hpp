#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/trace/generate/random.hpp"

/// The shape of a B+-tree whose keys are 0, 1, 2, … and which was filled from the left, every node
/// but the last of a level to the brim. So what stands in a node follows from its number, and no
/// memory is needed for it.
///
/// A node of n bytes, n = 16 + 16 m: a count (8 bytes), m keys, m + 1 children; in a leaf, m
/// values. A key of an inner node is the least one below the child after it.
namespace eptsim::sim::generate {

class BTreeShape {
 public:
  /// As many leaves as fit with the nodes above them in `nodes` nodes of `node_bytes`.
  BTreeShape(std::uint64_t nodes, std::uint64_t node_bytes) : keys_((node_bytes - 16) / 16) {
    std::uint64_t least = 1;
    std::uint64_t most = nodes;
    while (least < most) {
      const auto leaves = least + (most - least + 1) / 2;
      const auto levels = levels_above(leaves);
      std::uint64_t all = 0;
      for (const auto level : levels) all += level;
      if (all <= nodes)
        least = leaves;
      else
        most = leaves - 1;
    }
    nodes_ = levels_above(least);
    spans_.push_back(keys_);
    for (std::size_t level = 1; level < nodes_.size(); ++level)
      spans_.push_back(spans_.back() * (keys_ + 1));
  }

  std::size_t levels() const { return nodes_.size(); }
  std::uint64_t most_keys() const { return keys_; }  ///< of a node
  std::uint64_t total_keys() const { return nodes_[0] * keys_; }
  std::uint64_t total_nodes() const {
    std::uint64_t sum = 0;
    for (const auto level : nodes_) sum += level;
    return sum;
  }

  /// A node by its level (0: the leaves) and its place in it, from the left.
  struct Node {
    std::size_t level;
    std::uint64_t place;
  };

  Node root() const { return {levels() - 1, 0}; }
  Node child(Node node, std::uint64_t i) const {
    return {node.level - 1, node.place * (keys_ + 1) + i};
  }
  /// A number of its own among all nodes.
  std::uint64_t number(Node node) const {
    for (std::size_t level = 0; level < node.level; ++level) node.place += nodes_[level];
    return node.place;
  }
  std::uint64_t count(Node node) const {
    if (node.level == 0) return keys_;
    return std::min(keys_ + 1, nodes_[node.level - 1] - node.place * (keys_ + 1)) - 1;
  }
  std::uint64_t key(Node node, std::uint64_t i) const {
    if (node.level == 0) return node.place * keys_ + i;
    return (node.place * (keys_ + 1) + i + 1) * spans_[node.level - 1];
  }

 private:
  std::vector<std::uint64_t> levels_above(std::uint64_t leaves) const {
    std::vector<std::uint64_t> levels = {leaves};
    while (levels.back() > 1) levels.push_back((levels.back() + keys_) / (keys_ + 1));
    return levels;
  }

  std::uint64_t keys_;
  std::vector<std::uint64_t> nodes_;  ///< of each level
  std::vector<std::uint64_t> spans_;  ///< keys below a full node of each level
};

/// The key of the i-th look-up in a tree that has so many.
constexpr std::uint64_t looked_up_key(std::uint64_t total_keys, std::uint64_t seed,
                                      std::uint64_t i) {
  return below(total_keys, random_at(random_at(seed, 1), i));
}

}  // namespace eptsim::sim::generate
