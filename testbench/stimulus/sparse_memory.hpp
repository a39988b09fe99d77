#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "mmu_model/walk/walk.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// The whole physical width, of which walks touch a few words: a small hash table.
class SparseMemory final : public arch::PhysicalMemory {
 public:
  /// Room for 2^(`slot_bits` - 1) words: as many as one walk has, unless more is asked for.
  explicit SparseMemory(unsigned slot_bits = 9);

  /// Memory that holds `image` and nothing else.
  void load(std::span<const Word> image);

  std::uint64_t read64(arch::Hpa address) const override;
  /// Throws std::length_error when there is no room for another word.
  void write64(arch::Hpa address, std::uint64_t value) override;
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override;

  /// An address at which the two differ, if there is one: the lowest.
  std::optional<std::uint64_t> difference(const SparseMemory& other) const;

 private:
  struct Slot {
    std::uint64_t key = 0;  ///< the address with bit 0 set; 0 if the slot is free
    std::uint64_t value = 0;
  };

  /// Where `address` is, or would be.
  unsigned slot_of(std::uint64_t address) const;

  unsigned shift_;  ///< of a 64-bit hash, to the number of a slot
  std::vector<Slot> slots_;
  unsigned used_ = 0;
};

/// Memory as a walk meets it: counts its requests, and carries out the outside store in its time.
class SharedMemory final : public arch::PhysicalMemory {
 public:
  void load(const TestCase& test);

  std::uint64_t read64(arch::Hpa address) const override;
  void write64(arch::Hpa address, std::uint64_t value) override;
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override;

  /// Does what a walk's step asks for. Returns the word read or found.
  std::uint64_t carry_out(mmu::StepKind kind, arch::Hpa address, std::uint8_t size,
                          std::uint64_t expected, std::uint64_t desired);

  const SparseMemory& words() const { return words_; }
  unsigned requests() const { return requests_; }
  /// Whether the stored word was asked for before the store: if not, it might as well have been
  /// there from the beginning.
  bool store_seen() const { return store_seen_; }
  bool store_made() const { return store_ && requests_ > store_->before; }

 private:
  void before_request(std::uint64_t address) const;

  // A read is a request too.
  mutable SparseMemory words_;
  mutable unsigned requests_ = 0;
  mutable bool store_seen_ = false;
  std::optional<OutsideStore> store_;
};

}  // namespace eptsim::tb
