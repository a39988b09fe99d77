#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mmu_model/walk/context.hpp"
#include "mmu_model/walker/walker_unit.hpp"

namespace eptsim::tb {

/// What a walker's response tells. The kind of outcome, the host-physical address of a translation,
/// the error code of a page fault, and the guest-physical address of an EPT violation or
/// misconfiguration are always compared; what is named here, if the walker tells it.
struct Reports {
  std::uint64_t qualification = ~std::uint64_t{0};  ///< the bits that it tells
  bool gpa = true;                                  ///< of a translation
  bool page_size = true;     ///< what one TLB entry may cover: the smaller of the two
  bool page_sizes = true;    ///< those of the guest's page and of the EPT's
  bool memory_type = true;   ///< of a translation
  bool guest_rights = true;  ///< those, `global` and the protection key
  bool ept_rights = true;    ///< those, and `dirty`
  bool reason = true;        ///< which rule refused the access
};

/// What is put on the ports in one cycle.
struct ForeignInputs {
  std::optional<mmu::WalkRequest> request = {};  ///< offered until it is taken
  bool memory_ready = false;                     ///< a memory request may be handed over
  std::optional<mmu::MemoryAnswer> answer = {};  ///< offered until it is taken
  bool response_ready = false;                   ///< a response may be handed over
};

/// What changes hands at the end of the cycle.
struct ForeignOutputs {
  bool request_taken = false;
  std::optional<mmu::MemoryRequest> memory = {};  ///< `id` and `place` are not looked at
  bool answer_taken = false;
  std::optional<mmu::WalkResponse> response = {};  ///< tag, `outcome` as far as `Reports` says, and
                                                   ///< with page-modification logging `pml_index`
};

/// A walker with ports and timing of its own. It is held against the rules memory request by memory
/// request and response by response, in order, and not cycle by cycle.
///
/// A cycle is `drive`, `sample`, `clock`. What `sample` says may depend on what was driven in the
/// same cycle. One walk is in flight at a time.
class ForeignWalker {
 public:
  virtual ~ForeignWalker() = default;

  /// In reports: "walks not in the NAME".
  virtual std::string name() const = 0;
  virtual Reports reports() const = 0;
  /// The name of what the case needs and the walker lacks, if anything. Such walks are left out,
  /// and counted by name.
  virtual std::optional<std::string> unsupported(const mmu::Context& context,
                                                 const mmu::Request& request) const = 0;

  /// Back to the state after reset.
  virtual void reset() = 0;
  virtual void drive(const ForeignInputs& inputs) = 0;
  virtual ForeignOutputs sample() = 0;
  /// The rising edge that ends the cycle.
  virtual void clock() = 0;
};

}  // namespace eptsim::tb
