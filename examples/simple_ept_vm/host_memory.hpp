#pragma once

#include <unordered_map>

#include "ept/arch/physical_memory.hpp"

namespace eptsim::examples {

/// The host's memory: words that were written; all others are zero.
class HostMemory : public arch::PhysicalMemory {
 public:
  std::uint64_t read64(arch::Hpa address) const override {
    const auto word = words_.find(address.value());
    return word == words_.end() ? 0 : word->second;
  }
  void write64(arch::Hpa address, std::uint64_t value) override { words_[address.value()] = value; }
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override {
    const std::uint64_t found = read64(address);
    if (found == expected) write64(address, desired);
    return found;
  }

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> words_;
};

}  // namespace eptsim::examples
