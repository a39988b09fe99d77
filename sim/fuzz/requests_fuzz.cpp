#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/image/memory_image.hpp"
#include "sim/image/write_overlay.hpp"
#include "sim/input_error.hpp"
#include "sim/walk/cached_engine.hpp"
#include "sim/walk/explanation.hpp"
#include "sim/walk/model_engine.hpp"
#include "sim/walk/walk_request.hpp"
#include "testbench/oracle_adapter.hpp"

namespace {

using namespace eptsim;

/// The fuzzer's bytes, over and over through all of physical memory: every address leads to some of
/// them, so tables of any content point at themselves, at each other, and at what a walk writes.
class FoldedMemory final : public arch::PhysicalMemory {
 public:
  FoldedMemory(const std::uint8_t* bytes, std::size_t size)
      : words_(std::max<std::size_t>(size / 8, 1)) {
    std::memcpy(words_.data(), bytes, size / 8 * 8);
  }

  std::uint64_t read64(arch::Hpa address) const override {
    const std::uint64_t* written = written_.find(address.value());
    return written != nullptr ? *written : words_[(address.value() >> 3) % words_.size()];
  }
  void write64(arch::Hpa address, std::uint64_t value) override {
    written_.put(address.value(), value);
  }
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override {
    const std::uint64_t found = read64(address);
    if (found == expected) write64(address, desired);
    return found;
  }
  void forget_writes() { written_.clear(); }

 private:
  std::vector<std::uint64_t> words_;
  sim::WriteOverlay written_;
};

/// Paging mode by the low bits, features by the high ones.
mmu::Context context_of(std::uint8_t mode, std::uint8_t features) {
  mmu::Context context;
  context.ept_enabled = (mode & 1) != 0;
  context.eptp =
      0x101e | ((features & 1) != 0 ? 0x40 : 0) | ((mode & 2) != 0 ? 0x8 ^ 0x20 ^ 0x10 : 0);
  if ((mode & 2) != 0) context.eptp = (context.eptp & ~0x38ull) | 0x20;
  context.cr3 = 0x2000;
  switch (mode >> 2 & 7) {
    case 0: break;                                                // no paging
    case 1: context.cr0 = 0x80010001, context.cr4 = 0x10; break;  // 32-bit
    case 2:                                                       // PAE
      context.cr0 = 0x80010001, context.cr4 = 0x20, context.efer = 0x800;
      if (context.ept_enabled) context.pdptes = {0x3001, 0x5001, 0, 0x7001};
      break;
    case 3: context.cr0 = 0x80010001, context.cr4 = 0x1020, context.efer = 0xd00; break;  // 5-level
    default:
      context.cr0 = 0x80010001, context.cr4 = 0x1f00020, context.efer = 0xd00, context.pkru = 0x44;
  }
  if (arch::cr0::kPg.any(context.cr0)) context.cr4 |= 0x800000;  // CET
  context.cpu.advanced_exit_info = (features & 2) != 0;
  context.controls.ept_violation_ve = (features & 64) != 0;
  context.ve_info_address = 0x8000;
  if (!context.ept_enabled) return context;
  if ((features & 1) != 0) context.controls.pml = (features & 4) != 0;
  context.controls.mode_based_execute = (features & 2) != 0;
  context.controls.sub_page_permission = (features & 8) != 0;
  context.controls.paging_write = (features & 16) != 0;
  context.controls.guest_paging_verification = (features & 16) != 0;
  context.controls.hlat = (features & 32) != 0;
  if ((features & 128) != 0) {
    context.cpu.supervisor_shadow_stack = true;
    context.eptp |= 0x80;
  }
  context.sppt_pointer = 0x9000;
  context.pml_address = 0xa000;
  context.hlat_pointer = 0xb000;
  return context;
}

/// All of the answer but the time.
std::string json(const sim::WalkAnswer& answer) {
  sim::JsonWriter out;
  sim::append_json(out, {}, answer);
  std::string text(out.view());
  text.resize(text.rfind(", \"cycles\""));
  return text;
}

/// Step machine and oracle must agree; the explanation must come to an end.
void answer(const mmu::Context& context, const mmu::WalkContext& walk_context,
            const mmu::Request& request, FoldedMemory& memory) {
  sim::WalkAnswer model;
  sim::ModelEngine(walk_context, memory, 100).answer(request, model);
  memory.forget_writes();
  const oracle::Memory seen{
      .read64 = [&memory](std::uint64_t at) { return memory.read64(arch::Hpa(at)); },
      .write64 = [&memory](std::uint64_t at,
                           std::uint64_t value) { memory.write64(arch::Hpa(at), value); }};
  const oracle::Result result =
      oracle::translate(tb::state_of(context), tb::access_of(request), seen);
  memory.forget_writes();
  sim::WalkAnswer expected;
  expected.outcome = tb::outcome_of(result);
  expected.address = result.gva;
  if (result.second) expected.second = tb::outcome_of(*result.second);
  expected.recording = tb::recording_of(result);
  if (json(model) != json(expected)) {
    std::fprintf(stderr, "model:  %s\noracle: %s\n", json(model).c_str(), json(expected).c_str());
    std::abort();
  }
  if (sim::explain(sim::account_of(context, request, model, sim::MemoryImage()), false).empty())
    std::abort();
}

}  // namespace

// Two bytes choose the context; lines of requests and operations follow up to a zero byte; the rest
// is what memory holds.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 2) return 0;
  const mmu::Context context = context_of(bytes[0], bytes[1]);
  const std::string_view input(reinterpret_cast<const char*>(bytes) + 2, size - 2);
  const std::string_view lines = input.substr(0, input.find('\0'));
  FoldedMemory memory(bytes + 2 + lines.size(), input.size() - lines.size());
  if (mmu::check(context)) std::abort();
  mmu::WalkContext walk_context(context);
  if (load_pdptes(walk_context, memory)) return 0;
  try {
    FoldedMemory cached_memory = memory;  // which keeps what the caching processor writes
    sim::CachedEngine cached(context, cached_memory, {});
    sim::RequestLineParser parser("fuzz", cached.context(), true);
    std::size_t number = 0;
    for (std::size_t at = 0; at < lines.size() && number < 8;) {
      const std::size_t end = std::min(lines.find('\n', at), lines.size());
      const sim::WalkRequest& request = parser.parse(lines.substr(at, end - at), ++number);
      if (request.operation) {
        cached.apply(*request.operation, "fuzz");
      } else if (!mmu::check(context, request.request)) {
        answer(context, walk_context, request.request, memory);
        sim::WalkAnswer stale;
        cached.answer(request.request, stale);
      }
      at = end + 1;
    }
  } catch (const sim::InputError&) {
  }
  return 0;
}
