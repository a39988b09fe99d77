#include "testbench/oracle/ept_walk.hpp"
#include "testbench/oracle/registers.hpp"
#include "testbench/oracle/stop.hpp"

// Sub-page write permissions (SDM 31.3.4.1, 31.3.4.2): a table of its own for sub-pages of 128
// bytes.
namespace eptsim::oracle {

bool EptWalk::sub_page_allows(const GuestPhysicalAccess& access) {
  const std::uint64_t gpa = access.gpa;
  std::uint64_t table = state_.sppt_pointer;
  for (unsigned level = 4; level >= 2; --level) {
    std::uint64_t index = bits(gpa, 47, 39);
    if (level == 3) index = bits(gpa, 38, 30);
    if (level == 2) index = bits(gpa, 29, 21);
    const std::uint64_t entry = journal_.read_entry(Structure::kSpp, level, table + 8 * index);
    if (!bit(entry, 0)) sub_page_event(access, true);
    if (any_bit(entry, 11, 1) || any_bit(entry, 63, state_.cpu.maxphyaddr)) {
      sub_page_event(access, false);
    }
    table = in_place(entry, state_.cpu.maxphyaddr - 1, 12);
  }
  const std::uint64_t vector =
      journal_.read_entry(Structure::kSpp, 1, table + 8 * bits(gpa, 20, 12));
  for (unsigned odd = 1; odd < 64; odd += 2) {
    if (bit(vector, odd)) sub_page_event(access, false);
  }
  for (std::uint64_t byte = gpa; byte < gpa + access.size; ++byte) {
    const auto sub_page = static_cast<unsigned>(bits(byte, 11, 7));
    if (!bit(vector, 2 * sub_page)) return false;
  }
  return true;
}

void EptWalk::sub_page_event(const GuestPhysicalAccess& access, bool miss) const {
  Page page;
  page.outcome = Outcome::kSppEvent;
  page.qualification = one_bit(miss, 11);
  page.gpa = access.gpa;
  if (access.linear) {
    page.gva_valid = true;
    page.gva = access.linear->gva;
  }
  throw Stop{page};
}

}  // namespace eptsim::oracle
