#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/outcome.hpp"

namespace eptsim::tb {

/// A word of physical memory.
struct Word {
  std::uint64_t address = 0;  ///< a multiple of 8
  std::uint64_t value = 0;
};

/// What is wrong on purpose.
enum class FaultKind : std::uint8_t {
  // EPT entries
  kEptNotPresent,
  kEptWriteWithoutRead,
  kEptExecuteOnlyUnsupported,
  kEptReservedHigh,  ///< an address bit from the physical-address width up
  kEptReservedLow,
  kEptPageSizeUnsupported,
  kEptMemoryType,
  kEptNoRead,
  kEptNoWrite,
  kEptNoExecute,
  kEptNoUserExecute,
  kEptPagingWriteWithoutRead,
  kEptNoPagingWrite,         ///< of a page of guest tables
  kEptNoPagingVerification,  ///< the same, for an access whose page asks for it
  kEptNoShadowStack,         ///< bit 60, for a supervisor shadow-stack access
  // guest entries
  kGuestNotPresent,
  kGuestReservedHigh,
  kGuestReservedLow,
  kGuestPageSizeUnsupported,
  kGuestExecuteDisableReserved,
  kGuestReadOnly,
  kGuestSupervisor,
  kGuestUser,  ///< a user page for a supervisor access: SMEP, SMAP
  kGuestExecuteDisable,
  kGuestProtectionKey,
  kGuestAddressTooWide,  ///< more than 48 bits under a 4-level EPT
  kGuestNoShadowStack,   ///< an ordinary page for a shadow-stack access
  kGuestShadowStack,     ///< a shadow-stack page for an ordinary write
  // sub-page permission tables
  kSppNotValid,
  kSppReservedLow,
  kSppReservedHigh,
  kSppVectorOdd,
  kSppVectorDenies,
  // registers, and what else is in no table that a walk reads
  kPdpteNotPresent,
  kPmlFull,
  // linear addresses
  kNotCanonical,
  kLass,
};
inline constexpr unsigned kFaultKinds = static_cast<unsigned>(FaultKind::kLass) + 1;
std::string_view name(FaultKind kind);

struct PlantedFault {
  FaultKind kind;
  mmu::Place place = {};  ///< of the entry; {0, 0} if no entry is at fault
};

/// A store from outside, made just before the memory request with this number (the first is 0) is
/// carried out.
struct OutsideStore {
  unsigned before = 0;
  Word word;
};

/// How the clocked walkers are driven. The numbers come from a sequence of their own, so that the
/// rest of a case can change without it.
struct Timing {
  std::uint64_t seed = 0;
  unsigned latency = 1;  ///< of memory answers, at most; random if `random_latency`
  bool random_latency = false;
  unsigned stall = 0;          ///< cycles that a port is held up, at most
  bool clock_always = false;   ///< also in cycles without any valid input
  bool early_request = false;  ///< the next request is offered while this walk is in flight
};

/// One walk to be cross-checked: everything it depends on.
struct TestCase {
  mmu::Context context;
  mmu::Request request;
  std::vector<Word> image;  ///< no address twice; the rest of memory is 0
  std::optional<OutsideStore> store;
  Timing timing;

  // How it came about, for reports.
  std::string_view origin;
  std::vector<PlantedFault> planted;
};

}  // namespace eptsim::tb
