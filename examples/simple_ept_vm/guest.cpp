#include "examples/simple_ept_vm/guest.hpp"

#include <stdexcept>

#include "ept/frame_pool.hpp"
#include "ept/guest_tables.hpp"
#include "examples/simple_ept_vm/host_memory.hpp"

namespace eptsim::examples {
namespace {

using arch::Gpa;
using arch::Gva;
using arch::PageSize;
using Kind = Operation::Kind;
using Program = std::vector<Operation>;

constexpr std::uint64_t kPage = arch::bytes(PageSize::k4K);
constexpr std::uint64_t kLargePage = arch::bytes(PageSize::k2M);
constexpr std::uint32_t kMsrEfer = 0xc000'0080;

/// The guest's memory as its table builder sees it while the program is written: each word that the
/// builder changes becomes a store of the guest.
class StoreRecorder final : public HostMemory {
 public:
  explicit StoreRecorder(Program& program) : program_(&program) {}
  void record_into(Program& program) { program_ = &program; }

  void write64(arch::Hpa address, std::uint64_t value) override {
    if (read64(address) == value) return;  // fresh memory is zero, and needs no clearing
    HostMemory::write64(address, value);
    program_->push_back({Kind::kStore, address.value(), value});
  }

 private:
  Program* program_;
};

/// The tables that this guest asks for are in order, and its memory suffices for them.
void map(ept::GuestTables& tables, std::uint64_t gva, std::uint64_t gpa,
         const ept::GuestPage& page = {}) {
  if (!tables.map(Gva(gva), Gpa(gpa), page)) throw std::logic_error("a page was not mapped");
}

/// Tables that map low memory and the device as they lie, with 2 MiB pages.
ept::GuestTables make_tables(StoreRecorder& memory, ept::GuestPhysicalMap& where,
                             ept::GuestFramePool& frames) {
  auto tables = ept::GuestTables::create(memory, where, frames, {}).value();
  const ept::GuestPage large{.size = PageSize::k2M};
  for (std::uint64_t address = 0; address < kHeapMemory.value(); address += kLargePage) {
    map(tables, address, address, large);
  }
  const std::uint64_t device = kDevice & ~(kLargePage - 1);
  map(tables, device, device, large);
  return tables;
}

void use_device(Program& program, std::uint64_t value) {
  program.push_back({Kind::kStore, kDevice + 0x10, value});
  program.push_back({Kind::kLoad, kDevice});
}

}  // namespace

std::vector<Phase> make_guest() {
  Program boot;
  boot.push_back({Kind::kCpuid});
  for (std::uint64_t i = 0; i < 4; ++i) boot.push_back({Kind::kStore, 0x7000 + i * kPage, i});
  use_device(boot, 'R');

  Program large_pages;
  StoreRecorder memory(large_pages);
  ept::IdentityGuestPhysicalMap identity;
  ept::GuestFramePool frames(Gpa(0x10'0000), Gpa(0x14'0000));
  const ept::GuestTables first = make_tables(memory, identity, frames);
  const ept::GuestState state = first.state();
  large_pages.push_back({Kind::kMovToCr, 4, state.cr4});
  large_pages.push_back({Kind::kMovToCr, 3, state.cr3});
  large_pages.push_back({Kind::kWrmsr, kMsrEfer, state.efer & ~arch::efer::kLma.mask()});
  large_pages.push_back({Kind::kMovToCr, 0, state.cr0});
  large_pages.push_back({Kind::kFarJump});
  for (std::uint64_t i = 0; i < 8; ++i) {
    large_pages.push_back({Kind::kStore, kLargePage + i * 0x3'5000, i});
  }
  use_device(large_pages, 'L');

  Program small_pages;
  memory.record_into(small_pages);
  ept::GuestTables second = make_tables(memory, identity, frames);
  for (std::uint64_t i = 0; i < kHeapPages; ++i) {
    // Neighbours in the heap are no neighbours in memory.
    const std::uint64_t frame = i * 7 % kHeapPages;
    map(second, kHeap + i * kPage, kHeapMemory.value() + frame * kPage);
  }
  small_pages.push_back({Kind::kMovToCr, 3, second.state().cr3});
  for (std::uint64_t i = 0; i < kHeapPages; ++i) {
    small_pages.push_back({Kind::kStore, kHeap + i * kPage, i});
  }

  Program work;
  for (std::uint64_t round = 0; round < 2; ++round) {
    for (std::uint64_t i = 0; i < kHeapPages; ++i) {
      const std::uint64_t address = kHeap + i * kPage + 8 * round;
      work.push_back(i < kPagesWritten ? Operation{Kind::kStore, address, i}
                                       : Operation{Kind::kLoad, address});
    }
  }

  std::vector<Phase> phases{{"real mode, no paging", std::move(boot)},
                            {"long mode, 2 MiB pages", std::move(large_pages)},
                            {"4 KiB pages, first touch", std::move(small_pages)},
                            {"work on the heap", std::move(work)}};
  for (Phase& phase : phases) phase.operations.push_back({Kind::kHlt});
  return phases;
}

mmu::Completion execute(mmu::LogicalProcessor& processor, const Operation& operation) {
  switch (operation.kind) {
    case Kind::kStore:
      return processor.access({.kind = arch::AccessKind::kWrite,
                               .address = operation.target,
                               .value = operation.value,
                               .instruction_length = 7});
    case Kind::kLoad:
      return processor.access({.address = operation.target, .instruction_length = 5});
    case Kind::kCpuid: return processor.cpuid();
    case Kind::kWrmsr:
      return processor.wrmsr(static_cast<std::uint32_t>(operation.target), operation.value);
    case Kind::kMovToCr:
      switch (operation.target) {
        case 0: return processor.mov_to_cr0(operation.value);
        case 3: return processor.mov_to_cr3(operation.value);
        default: return processor.mov_to_cr4(operation.value);
      }
    case Kind::kFarJump: processor.set_code_segment(0, true); return mmu::Completion::done();
    case Kind::kHlt: return processor.hlt();
  }
  return mmu::Completion::done();
}

}  // namespace eptsim::examples
