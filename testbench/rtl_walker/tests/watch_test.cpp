#include <gtest/gtest.h>

#include <random>
#include <string>
#include <string_view>

#include "testbench/rtl_walker/tests/nested_tables.hpp"

namespace eptsim::tb {
namespace {

/// All that is driven, to compare.
std::string text(const mmu::WalkerOutputs& outputs) {
  std::string text = outputs.request_ready ? "ready" : "busy";
  const auto add = [&](std::string_view name, std::uint64_t value) {
    text += " " + std::string(name) + " " + std::to_string(value);
  };
  if (outputs.memory) {
    add("memory", outputs.memory->id);
    add("kind", static_cast<std::uint64_t>(outputs.memory->kind));
    add("size", outputs.memory->size);
    add("address", outputs.memory->address);
    add("desired", outputs.memory->desired);
  }
  if (outputs.response) {
    add("response", outputs.response->tag);
    add("reason", static_cast<std::uint64_t>(outputs.response->outcome.reason));
    add("references", outputs.response->references);
    add("cycles", outputs.response->cycles);
  }
  if (outputs.lookup) {
    add("lookup", outputs.lookup->id);
    add("combined", outputs.lookup->combined_level);
    add("nested", outputs.lookup->nested_level);
    add("ept", outputs.lookup->ept_level);
  }
  add("next", outputs.next_cycle);
  return text;
}

class Watch : public NestedTables, public testing::WithParamInterface<const char*> {};

/// One walker is clocked, the other watches the same cycles; both are reset now and then, and the
/// other is asked at times what it drives before the next cycle.
TEST_P(Watch, TellsWhatClockingTells) {
  RtlWalker clocked(GetParam());
  RtlWalker watching(GetParam());
  const mmu::WalkContext prepared(context);
  std::mt19937_64 random(7);
  const auto one_in = [&](unsigned count) { return random() % count == 0; };
  std::optional<mmu::MemoryAnswer> owed;
  mmu::Cycle cycle = 0;
  std::uint64_t responses = 0;
  for (unsigned step = 0; step < 40'000; ++step) {
    if (one_in(1'000)) {
      clocked.reset();
      watching.reset();
      owed.reset();
      cycle = 0;
    }
    const mmu::WalkerOutputs driven = clocked.outputs();
    if (one_in(5)) {
      ASSERT_EQ(text(watching.outputs()), text(driven)) << "step " << step;
    }
    mmu::WalkerInputs inputs{.cycle = cycle, .memory_ready = !owed, .response_ready = !one_in(3)};
    inputs.answer = std::exchange(owed, {});
    if (inputs.memory_ready && driven.memory) {
      const mmu::MemoryRequest& asked = *driven.memory;
      const bool swap = asked.kind == mmu::StepKind::kCompareExchange;
      // A walk through tables that mostly lead on.
      const std::uint64_t entry = (random() & 0x3f'f000) | (one_in(9) ? random() & 0xfff : 0x37);
      owed =
          mmu::MemoryAnswer{.id = asked.id, .value = swap && !one_in(8) ? asked.expected : entry};
    }
    if (driven.request_ready && one_in(4)) {
      inputs.request = mmu::WalkRequest{.tag = step, .context = &prepared, .request = request};
      inputs.request->request.address ^= (random() % 4) << 21;
    }
    if (one_in(50)) inputs.invalidation = mmu::InvalidationScope{.guest_physical_mappings = true};
    inputs.disabled.combined = step % 5'000 > 4'000;
    mmu::WalkerOutputs watched;
    watching.watch(inputs, watched);
    ASSERT_EQ(text(watched), text(driven)) << "step " << step;
    responses += driven.response && inputs.response_ready;
    clocked.tick(inputs);
    ++cycle;
  }
  EXPECT_GT(responses, 500U);
}
INSTANTIATE_TEST_SUITE_P(Configurations, Watch, testing::Values("single", "small", "default"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace
}  // namespace eptsim::tb
