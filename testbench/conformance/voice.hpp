#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ept/arch/physical_memory.hpp"
#include "mmu_model/walk/translate.hpp"
#include "testbench/conformance/vector.hpp"
#include "testbench/scoreboard/difference.hpp"
#include "testbench/scoreboard/voices.hpp"
#include "testbench/stimulus/sparse_memory.hpp"

namespace eptsim::tb::conformance {

/// What a voice says of an access.
struct Answer {
  mmu::Outcome outcome;  ///< of the lower page, or the first failure
  std::uint64_t references = 0;
  std::optional<std::uint16_t> pml_index;  ///< absent: the voice doesn't tell
  mmu::Recording recording;
  std::uint64_t hangs_after = 0;  ///< cycles; 0: it answered
  Reports told;                   ///< of the outcome; the rest isn't judged

  void clear() {
    outcome = {};
    references = 0;
    pml_index.reset();
    recording.references.clear();
    recording.writes.clear();
    hangs_after = 0;
    told = {};
  }
};

/// Whether a voice can be asked.
enum class Standing : std::uint8_t {
  kAnswers,
  kRefused,        ///< VM entry refuses the context, or the request makes no sense
  kNotApplicable,  ///< the voice doesn't do this by its nature, or the RTL lacks it
  kNotYet,         ///< the voice is to have the feature, and says that it has not
};

/// One of those who are asked, by the same questions.
class Voice {
 public:
  virtual ~Voice() = default;
  virtual std::string_view name() const = 0;
  virtual Standing standing(const mmu::Context& context, const mmu::Request& request,
                            const arch::PhysicalMemory& memory) = 0;
  /// Only if it stands at kAnswers. `context` is valid until the next call.
  virtual void ask(const mmu::WalkContext& context, const mmu::Request& request,
                   arch::PhysicalMemory& memory, Answer& answer) = 0;
};

/// Step machine, clocked model, oracle, and the device or foreign walker if there is one: in that
/// order.
std::vector<std::unique_ptr<Voice>> conformance_voices(Voices voices);

/// What an answer says otherwise than expected. `memory` is as the access left it.
std::vector<Difference> judge(const Expected& expected, const Answer& answer,
                              const SparseMemory& memory);

}  // namespace eptsim::tb::conformance
