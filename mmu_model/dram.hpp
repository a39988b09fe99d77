#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ept/arch/address.hpp"
#include "ept/arch/physical_memory.hpp"

namespace eptsim::mmu {

/// Simulated host-physical memory. It keeps the pages that were written and, for
/// each, 32 to 64 bytes of directory, wherever in the address space they lie. What was never
/// written reads as zero, and so does what lies beyond the end. A store beyond the end throws
/// std::out_of_range and changes nothing: whoever hands out addresses has to ask `bytes()` first.
class Dram final : public arch::PhysicalMemory {
 public:
  /// `bytes`: where memory ends, a multiple of 4096.
  explicit Dram(std::uint64_t bytes);

  std::uint64_t bytes() const { return bytes_; }

  std::uint64_t read64(arch::Hpa address) const override;
  void write64(arch::Hpa address, std::uint64_t value) override;
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override;

  /// Makes the page resident. Empty beyond the end. Stays valid as long as the memory.
  std::span<std::uint64_t> table_view(arch::Hpa address) override;

  /// The pages that are resident, in ascending order: all that can hold anything but zeros.
  std::vector<arch::Hpa> resident_pages() const;

  /// Bytes of host memory in use: resident pages and their directory.
  std::uint64_t resident_bytes() const;

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    std::uint64_t count = pages_;
    archive(count);
    if constexpr (Archive::is_saving::value) {
      for (arch::Hpa page : resident_pages()) {
        std::uint64_t address = page.value();
        archive(address, resident(page));
      }
    } else {
      *this = Dram(bytes_);
      for (; count != 0; --count) {
        std::uint64_t address = 0;
        archive(address);
        archive(resident(arch::Hpa(address)));
      }
    }
  }

 private:
  using Page = std::array<std::uint64_t, 512>;
  /// The directory is a hash table with linear probing. A radix tree would cost a node for each
  /// page where tables lie far apart, as they do between the frames of a guest's data.
  struct Slot {
    std::uint64_t number = kNoPage;
    std::unique_ptr<Page> page;
  };
  static constexpr std::uint64_t kNoPage = ~std::uint64_t{0};

  std::size_t position_of(std::uint64_t number) const;
  const Page* find(arch::Hpa address) const;
  Page& resident(arch::Hpa address);
  void grow();

  std::uint64_t bytes_;
  std::vector<Slot> slots_;
  std::size_t pages_ = 0;
  unsigned shift_;  ///< of the hash: 64 less log2 of the number of slots
};

}  // namespace eptsim::mmu
