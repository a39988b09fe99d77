#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "mmu_model/invalidation_scope.hpp"
#include "mmu_model/walker/walker_unit.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// What asks for an invalidation.
enum class InvalidationKind : std::uint8_t {
  kInvlpg,
  kInvpcidAddress,
  kInvpcidSingle,
  kInvpcidAllWithGlobals,
  kInvpcidAllButGlobals,
  kMovToCr3,
  kMovToCr4Pge,
  kMovToCr4Pae,
  kMovToCr0,
  kPageFault,
  kEptViolation,
  kVmTransition,
  kInvvpidAddress,
  kInvvpidSingle,
  kInvvpidAll,
  kInvvpidSingleButGlobals,
  kInveptSingle,
  kInveptAll,
  kVmfunc,
  kReset,
  kAnyScope,  ///< nothing that an instruction or event asks for: what the port may be given
};
inline constexpr unsigned kInvalidationKinds =
    static_cast<unsigned>(InvalidationKind::kAnyScope) + 1;
std::string_view name(InvalidationKind kind);

struct StreamRequest {
  unsigned context = 0;       ///< index in the stream's contexts
  mmu::Request request = {};  ///< within one 4 KiB page
  unsigned gap = 0;           ///< cycles after the one before was taken
};

/// Something that happens beside the requests.
struct StreamEvent {
  unsigned after = 0;  ///< so many requests have been taken
  unsigned delay = 0;  ///< and so many cycles have passed since
  // One of these.
  std::optional<Word> store = {};  ///< from outside, to a table
  std::optional<mmu::InvalidationScope> invalidation = {};
  std::optional<mmu::CachesDisabled> disabled = {};  ///< from then on
  InvalidationKind kind = InvalidationKind::kReset;  ///< of `invalidation`
};

/// How a stream's ports are served.
struct StreamTiming {
  std::uint64_t seed = 0;
  unsigned latency = 1;         ///< of memory answers, at most; random if `random_latency`
  bool random_latency = false;  ///< and so answers come out of order
  unsigned stall = 0;           ///< cycles that a port is held up, at most
  bool clock_always = false;    ///< also in cycles in which nothing can change
  unsigned in_flight = 16;      ///< walks at a time, at most
};

/// Requests in several contexts over one memory, with what happens to the tables and the caches
/// meanwhile.
struct Stream {
  std::vector<mmu::Context> contexts;
  std::vector<Word> image;  ///< no address twice; the rest of memory is 0
  std::vector<StreamRequest> requests;
  std::vector<StreamEvent> events;  ///< each after the one before it
  StreamTiming timing;

  // How it came about, for reports.
  std::string_view origin;
  std::vector<PlantedFault> planted;
};

/// Whether a request in this context may write what belongs to the whole processor, so that no
/// other may be in flight (docs/microarchitecture.md).
inline bool goes_alone(const mmu::Context& context) {
  return context.controls.pml || context.controls.ept_violation_ve;
}

/// Words that a stream may have and write.
inline constexpr unsigned kStreamSlotBits = 12;

}  // namespace eptsim::tb
