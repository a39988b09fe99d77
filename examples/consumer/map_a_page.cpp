// What a hypervisor's first lines with the library of extended page tables look like.
#include <cstdio>
#include <optional>
#include <unordered_map>
#include <utility>

#include "ept/arch/physical_memory.hpp"
#include "ept/extended_page_table.hpp"

namespace arch = eptsim::arch;
namespace ept = eptsim::ept;

namespace {

/// Memory in which the tables lie: words that were written; all others are zero.
class Memory final : public arch::PhysicalMemory {
 public:
  std::uint64_t read64(arch::Hpa address) const override {
    const auto word = words_.find(address.value());
    return word == words_.end() ? 0 : word->second;
  }
  void write64(arch::Hpa address, std::uint64_t value) override { words_[address.value()] = value; }
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override {
    const std::uint64_t found = read64(address);
    if (found == expected) write64(address, desired);
    return found;
  }

 private:
  std::unordered_map<std::uint64_t, std::uint64_t> words_;
};

/// Frames one after the other. Those that come back aren't used again.
class Frames final : public ept::FrameAllocator {
 public:
  std::optional<arch::Hpa> allocate() override { return arch::Hpa(next_ += 0x1000); }
  void free(arch::Hpa) override {}

 private:
  std::uint64_t next_ = 0x100000;
};

}  // namespace

int main() {
  Memory memory;
  Frames frames;
  auto table = ept::ExtendedPageTable::create(memory, frames, ept::Settings{}).value();
  constexpr arch::Gpa kPage(0x40000000);
  auto mapped =
      table.map(kPage, arch::Hpa(0x80000000), ept::kAllAccess, {.size = arch::PageSize::k2M});
  if (!mapped) return 1;
  table.complete(std::move(*mapped));

  const auto leaf = table.walk(kPage + 0x1234);
  std::printf("EPTP %#llx: guest-physical 0x40001234 lies at %#llx\n",
              static_cast<unsigned long long>(table.eptp()),
              static_cast<unsigned long long>(leaf.value().hpa_of(kPage + 0x1234).value()));

  auto unmapped = table.unmap(kPage, arch::PageSize::k2M);
  if (!unmapped) return 1;
  std::printf("unmapped: an INVEPT is %s\n",
              unmapped->pending.needs_invept() ? "owed" : "not owed");
  table.complete(std::move(unmapped->pending));
  return 0;
}
