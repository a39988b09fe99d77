#include "testbench/conformance/guest_paging_rules.hpp"

// The rules of guest paging (SDM 5.5.4, 5.6, 5.7, 5.8) as a table: one line says when one rule
// refuses an access, and all lines are looked at.
namespace eptsim::tb::conformance {
namespace {

constexpr std::uint32_t kP = 0x1, kW = 0x2, kU = 0x4, kRsvd = 0x8, kFetch = 0x10, kPk = 0x20;

/// The rights that the entries together give.
struct Page {
  bool user, writable, execute_disable;
};

struct Rule {
  bool (*refuses)(const PagingCase&, const Page&);
  std::uint32_t code;  ///< beside P and the bits that tell the access
};

constexpr Rule kRules[] = {
    // A user access needs U/S = 1 in every entry.
    {[](const PagingCase& c, const Page& page) { return c.user && !page.user; }, 0},
    // A write needs R/W = 1 in every entry; the supervisor's only with CR0.WP.
    {[](const PagingCase& c, const Page& page) {
       return c.write && !page.writable && (c.user || c.wp);
     },
     0},
    // A fetch needs XD = 0 in every entry.
    {[](const PagingCase& c, const Page& page) { return c.fetch && page.execute_disable; }, 0},
    // SMEP: the supervisor doesn't fetch from the user's pages.
    {[](const PagingCase& c, const Page& page) {
       return c.fetch && !c.user && page.user && c.smep;
     },
     0},
    // A key without access refuses all data accesses to the user's pages.
    {[](const PagingCase& c, const Page& page) {
       return c.pke && page.user && c.key && !c.fetch && c.ad;
     },
     kPk},
    // A key without writes refuses the user's, and with CR0.WP the supervisor's.
    {[](const PagingCase& c, const Page& page) {
       return c.pke && page.user && c.key && c.write && c.wd && (c.user || c.wp);
     },
     kPk},
};

/// W, U and I/D; fetches are told if XD or SMEP is in use (CR4.PAE is set).
std::uint32_t access_code(const PagingCase& c) {
  return (c.write ? kW : 0U) | (c.user ? kU : 0U) | (c.fetch && (c.nxe || c.smep) ? kFetch : 0U);
}

bool has_reserved_bit(const PagingCase& c, const PagingCase::Entry& entry) {
  return entry.bit_51 || entry.bit_36 || (entry.execute_disable && !c.nxe);
}

PagingVerdict fault(PagingVerdict so_far, std::uint32_t code) {
  so_far.fault = true;
  so_far.error_code = code;
  return so_far;
}

}  // namespace

PagingVerdict judge(const PagingCase& c) {
  PagingVerdict verdict{.pde_accessed = c.pde.accessed,
                        .pde_dirty = c.pde.dirty,
                        .pte_accessed = c.pte.accessed,
                        .pte_dirty = c.pte.dirty};

  // The PDE: absent before reserved before used.
  if (!c.pde.present) return fault(verdict, access_code(c));
  if (has_reserved_bit(c, c.pde) || (c.pde_large && c.pde_bit_13)) {
    return fault(verdict, kP | kRsvd | access_code(c));
  }
  verdict.pde_accessed = true;
  Page page{.user = c.pde.user,
            .writable = c.pde.writable && !c.pdpte_read_only,
            .execute_disable = c.pde.execute_disable};

  if (!c.pde_large) {
    if (!c.pte.present) return fault(verdict, access_code(c));
    if (has_reserved_bit(c, c.pte)) return fault(verdict, kP | kRsvd | access_code(c));
    verdict.pte_accessed = true;
    page.user = page.user && c.pte.user;
    page.writable = page.writable && c.pte.writable;
    page.execute_disable = page.execute_disable || c.pte.execute_disable;
  }

  bool refused = false;
  std::uint32_t code = kP | access_code(c);
  for (const Rule& rule : kRules) {
    if (!rule.refuses(c, page)) continue;
    refused = true;
    code |= rule.code;
  }
  if (refused) return fault(verdict, code);

  if (c.write) (c.pde_large ? verdict.pde_dirty : verdict.pte_dirty) = true;
  return verdict;
}

}  // namespace eptsim::tb::conformance
