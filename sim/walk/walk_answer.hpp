#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "mmu_model/walk/translate.hpp"
#include "sim/json/json_writer.hpp"

namespace eptsim::sim {

/// What an engine says of one request: all that a line of results holds.
struct WalkAnswer {
  mmu::Outcome outcome;                ///< of the lower page, or the first failure
  std::uint64_t address = 0;           ///< that `outcome` is about
  std::optional<mmu::Outcome> second;  ///< of the upper page of an access that crosses
  mmu::Recording recording;
  std::uint64_t cycles = 0;  ///< the walker's time
  bool tlb_hit = false;      ///< a TLB knew every page: nothing was read
  bool judged_only = false;  ///< by the oracle: the outcome has no reason, place or rights
};

/// Appends the answer as one line of JSON, newline included. `id` is JSON itself, or empty.
void append_json(JsonWriter& out, std::string_view id, const WalkAnswer& answer);

/// The same for what is no translation and has but an outcome: "stored".
void append_done(JsonWriter& out, std::string_view id, std::string_view outcome);

}  // namespace eptsim::sim
