#include "testbench/oracle/memory_type.hpp"

#include <array>

#include "testbench/oracle/registers.hpp"

namespace eptsim::oracle {
namespace {

// SDM, "Effective Page-Level Memory Types", with the EPT memory type in the place of the MTRRs'.
MemoryType combine(std::uint64_t ept, std::uint64_t pat) {
  constexpr MemoryType uc = MemoryType::kUc;
  constexpr MemoryType wc = MemoryType::kWc;
  constexpr MemoryType wt = MemoryType::kWt;
  constexpr MemoryType wp = MemoryType::kWp;
  constexpr MemoryType wb = MemoryType::kWb;
  struct Row {
    std::uint64_t ept;
    MemoryType pat_uc, pat_uc_minus, pat_wc, pat_wt, pat_wb, pat_wp;
  };
  constexpr std::array<Row, 5> table{{
      //   UC  UC- WC  WT  WB  WP
      {0, uc, uc, wc, uc, uc, uc},  // UC
      {1, uc, wc, wc, uc, wc, uc},  // WC
      {4, uc, uc, wc, wt, wt, wp},  // WT
      {6, uc, uc, wc, wt, wb, wp},  // WB
      {5, uc, wc, wc, wt, wp, wp},  // WP
  }};
  for (const Row& row : table) {
    if (row.ept != ept) continue;
    switch (pat) {
      case 1: return row.pat_wc;
      case 4: return row.pat_wt;
      case 5: return row.pat_wp;
      case 6: return row.pat_wb;
      case 7: return row.pat_uc_minus;
      default: return row.pat_uc;
    }
  }
  return uc;
}

}  // namespace

std::uint64_t pat_type(const State& state, bool pat, bool pcd, bool pwt) {
  const unsigned index = (pat ? 4U : 0U) + (pcd ? 2U : 0U) + (pwt ? 1U : 0U);
  return bits(state.pat, 8 * index + 2, 8 * index);
}

MemoryType effective_type(const State& state, const std::uint64_t* ept_leaf, std::uint64_t pat) {
  if (cr0_cd(state)) return MemoryType::kUc;
  constexpr std::uint64_t mtrr_wb = 6;
  if (ept_leaf == nullptr) return combine(mtrr_wb, pat);
  const std::uint64_t ept = bits(*ept_leaf, 5, 3);
  const bool ignore_pat = bit(*ept_leaf, 6);
  if (ignore_pat) return static_cast<MemoryType>(ept);
  return combine(ept, pat);
}

}  // namespace eptsim::oracle
