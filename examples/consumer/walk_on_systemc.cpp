// A walk of an EPT on SystemC's time: a core of one's own before the modelled hardware.
#include <cstdio>
#include <memory>
#include <optional>
#include <systemc>

#include "ept/extended_page_table.hpp"
#include "mmu_model/modules/hardware.hpp"
#include "mmu_model/modules/translation_port.hpp"
#include "mmu_model/walker/model_walker.hpp"

namespace arch = eptsim::arch;
namespace ept = eptsim::ept;
namespace mmu = eptsim::mmu;

namespace {

class Frames final : public ept::FrameAllocator {
 public:
  std::optional<arch::Hpa> allocate() override { return arch::Hpa(next_ += 0x1000); }
  void free(arch::Hpa) override {}

 private:
  std::uint64_t next_ = 0x100000;
};

/// Translates one guest-physical address.
class Core final : public sc_core::sc_module {
 public:
  Core(const sc_core::sc_module_name& name, mmu::Hardware& hardware,
       const mmu::WalkContext& context)
      : sc_module(name), port("port", hardware.timeline(), hardware.mmu()), context_(context) {
    port.mmu.bind(hardware.mmu().core);
    SC_HAS_PROCESS(Core);
    SC_THREAD(run);
  }

  mmu::TranslationPort port;
  mmu::Outcome outcome;
  mmu::Cycle cycles = 0;

 private:
  void run() {
    port.use(context_);
    const mmu::WalkTransaction& walk =
        port.walk(context_, {.address = 0x40001234, .linear = false}, 0);
    outcome = walk.response.outcome;
    cycles = walk.response.cycles;
  }

  const mmu::WalkContext& context_;
};

}  // namespace

int sc_main(int, char*[]) {
  mmu::MachineSettings machine;
  machine.memory.dram.cycles = 200;
  mmu::Hardware hardware("hardware", machine, std::make_unique<mmu::ModelWalker>(machine.walker));
  Frames frames;
  auto table = ept::ExtendedPageTable::create(hardware.dram(), frames, ept::Settings{}).value();
  auto mapped = table.map(arch::Gpa(0x40001000), arch::Hpa(0x80001000), ept::kAllAccess);
  if (!mapped) return 1;
  table.complete(std::move(*mapped));

  mmu::Context registers;
  registers.cr0 = 0x80010001;
  registers.cr4 = 0x20;
  registers.efer = 0xd00;
  registers.ept_enabled = true;
  registers.eptp = table.eptp();
  const mmu::WalkContext context(registers);
  Core core("core", hardware, context);
  sc_core::sc_start();
  std::printf("guest-physical 0x40001234 lies at %#llx, after %llu cycles\n",
              static_cast<unsigned long long>(core.outcome.hpa),
              static_cast<unsigned long long>(core.cycles));
  return core.outcome.hpa == 0x80001234 ? 0 : 1;
}
