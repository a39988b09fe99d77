#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "testbench/conformance/guest_paging_rules.hpp"
#include "testbench/conformance/voice.hpp"

namespace eptsim::tb::conformance {

/// Every combination of the guest-paging matrix, each access made once and twice. The tables are
/// built once; from case to case three entries change.
///
/// Its dimensions: PTE {W, U, A, D, NX, P, 51, 36}, PDE {W, U, A, D, PSE, NX, P, 51, 36, 13}, PDPTE
/// read-only, PKRU {AD, WD}, key of the leaf, access {user, write, fetch, twice}, and NXE, WP, SMEP
/// and PKE: 30 bits. Left out is what has no meaning: an access that is write and fetch at once;
/// bit 13 of a PDE that leads to a table, where it is an address bit; and, with a PDE that maps a
/// page, all PTEs but one, for there is none.
class GuestPagingMatrix {
 public:
  static constexpr std::uint64_t kCombinations = std::uint64_t{1} << 30;
  /// PDEs and PTEs, PDPTE, PKRU and key, user and kind of access, control bits.
  static constexpr std::uint64_t kPairs = std::uint64_t{256 * 256 + 512} * 2 * 8 * (2 * 3) * 16;
  static constexpr std::uint64_t kVectors = 2 * kPairs;  ///< once and twice

  enum class Ept : std::uint8_t { kOff, kIdentity };
  explicit GuestPagingMatrix(Ept ept);

  struct Result {
    std::uint64_t vectors = 0;
    std::uint64_t failed = 0;
    std::uint64_t not_applicable = 0;  ///< not put: the voice lacks what the registers turn on
  };
  using OnFailure =
      std::function<void(const std::string& vector, const std::vector<Difference>& differences)>;
  /// Puts every `stride`-th pair to the voice, as long as `go_on`, if there is one, says so.
  Result run(Voice& voice, std::uint64_t stride, const std::function<bool()>& go_on,
             const OnFailure& on_failure);

  /// The combination of a number below kPairs, and its words.
  static PagingCase case_of(std::uint64_t pair);

 private:
  /// 16 pages of memory: all tables, and nothing beyond.
  class Memory final : public arch::PhysicalMemory {
   public:
    std::uint64_t read64(arch::Hpa address) const override;
    void write64(arch::Hpa address, std::uint64_t value) override;
    std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                     std::uint64_t desired) override;

   private:
    std::array<std::uint64_t, 16 * 512> words_{};
  };

  std::vector<Difference> judge_answer(const PagingCase& facts, const PagingVerdict& verdict) const;

  Memory memory_;
  std::vector<mmu::WalkContext> contexts_;  ///< by NXE, WP, SMEP, PKE, AD, WD
  Answer answer_;
};

}  // namespace eptsim::tb::conformance
