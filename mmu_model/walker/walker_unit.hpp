#pragma once

#include <cstdint>
#include <optional>

#include "mmu_model/cycle.hpp"
#include "mmu_model/invalidation_scope.hpp"
#include "mmu_model/walk/walk.hpp"

/// The ports of a walker and the one interface that every walker, SystemC or RTL, stands behind.
/// docs/microarchitecture.md says to the cycle what happens on them.
namespace eptsim::mmu {

struct WalkRequest {
  std::uint32_t tag = 0;
  const WalkContext* context = nullptr;  ///< latched with the request; outlives the walk
  Request request = {};
  std::optional<std::uint16_t> pml_index = {};  ///< of the VMCS; none: the context's
};

struct MemoryRequest {
  std::uint8_t id = 0;
  StepKind kind = StepKind::kRead;  ///< kRead, kCompareExchange, kLoad or kWrite
  std::uint8_t size = 8;
  std::uint64_t address = 0;
  std::uint64_t expected = 0;
  std::uint64_t desired = 0;
  Place place = {};  ///< for the trace port: which of the walk's places this is
};

struct MemoryAnswer {
  std::uint8_t id = 0;
  std::uint64_t value = 0;  ///< what was read, or the word that a compare-and-swap found
};

/// What the caches were asked in one cycle, and where they hit.
struct CacheLookup {
  std::uint8_t id = 0;              ///< the slot
  bool combined = false;            ///< of the combined caches; else of the nested TLB
  std::uint8_t combined_level = 0;  ///< of the entry that hit; 0: a miss
  std::uint8_t nested_level = 0;    ///< the same of the nested TLB: 1, 2 or 3
  bool ept_asked = false;           ///< the nested TLB did not answer
  std::uint8_t ept_level = 0;       ///< of the EPT structure-cache entry that hit; 0: a miss
};

/// Which caches take no part.
struct CachesDisabled {
  bool combined = false;
  bool ept = false;
  bool nested_tlb = false;
};

struct WalkResponse {
  std::uint32_t tag = 0;
  Outcome outcome = {};
  std::uint16_t references = 0;
  /// From the cycle after the request was taken to the first with the response in its queue.
  Cycle cycles = 0;
  std::uint16_t pml_index = 0;  ///< of the VMCS, as the walk leaves it
};

/// What the unit sees in one cycle.
struct WalkerInputs {
  Cycle cycle = 0;
  std::optional<WalkRequest> request = {};
  bool memory_ready = false;
  std::optional<MemoryAnswer> answer = {};
  bool response_ready = false;
  std::optional<InvalidationScope> invalidation = {};
  CachesDisabled disabled = {};
};

/// What the unit drives from the cycle after a tick on, until the next tick.
struct WalkerOutputs {
  bool request_ready = false;
  std::optional<MemoryRequest> memory = {};
  std::optional<WalkResponse> response = {};
  std::optional<CacheLookup> lookup = {};  ///< of the cycle before
  /// The next cycle in which `tick` must be called even if no input is valid; kNever if only an
  /// input can change anything.
  Cycle next_cycle = kNever;
};

/// A clocked walker. Outputs are registered: what holds in cycle c depends on inputs of earlier
/// cycles alone, so nothing depends on the order in which units run within a cycle.
class WalkerUnit {
 public:
  virtual ~WalkerUnit() = default;

  /// Back to the state after reset. Outputs of the reset state hold from cycle 0 on.
  virtual void reset() = 0;

  /// What is driven in the cycle after the last tick (or after reset).
  virtual const WalkerOutputs& outputs() const = 0;

  /// The rising edge that ends cycle `inputs.cycle`. Cycles between two ticks are ones in which
  /// no input was valid. A handshake happens in a cycle in which both sides hold: the outputs that
  /// were driven in that cycle, and these inputs. Returns what holds from the next cycle on.
  virtual const WalkerOutputs& tick(const WalkerInputs& inputs) = 0;

  /// The same for who only watches and has no part in the inputs: `driven` becomes what was driven
  /// in the cycle of the inputs. What holds after it may be worked out together with the next
  /// edge, which some units do faster; `outputs` says it nevertheless.
  virtual void watch(const WalkerInputs& inputs, WalkerOutputs& driven) {
    driven = outputs();
    tick(inputs);
  }
};

}  // namespace eptsim::mmu
