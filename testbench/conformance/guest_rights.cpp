#include "testbench/conformance/families.hpp"
#include "testbench/conformance/machine_state.hpp"
#include "testbench/scoreboard/difference.hpp"

// The guest's own rules beyond the matrix: SMAP, protection keys of both kinds, shadow stacks,
// linear-address separation, canonical addresses.
namespace eptsim::tb::conformance {
namespace {

using arch::AccessKind;

constexpr std::uint64_t kSmep = 1U << 20, kSmap = 1U << 21, kPke = 1U << 22, kCet = 1U << 23,
                        kPks = 1U << 24, kLass = 1U << 27;
constexpr std::uint64_t kWp = 1U << 16;
constexpr std::uint64_t kUserPage = 0x4;

constexpr std::uint32_t kOk = 0;  // no access of these tables faults with code 0

mmu::Request request(std::uint64_t address, AccessKind access, bool user, bool implicit = false) {
  mmu::Request result;
  result.address = address;
  result.access = access;
  result.user = user;
  result.implicit = implicit;
  return result;
}

std::string on(unsigned ept_levels) { return ept_levels == 0 ? ", no EPT" : ", EPT"; }

Expected outcome(const MachineState& state, std::uint32_t code) {
  return code == kOk ? translated(state.gpa(), state.hpa()) : page_fault(code);
}

// ---- SMAP --------------------------------------------------------------------------------------

struct SmapRow {
  const char* what;
  bool user_page, ac, implicit;
  std::uint32_t supervisor_read, supervisor_write, user_read, user_write;
};
// An implicit access is a supervisor access whatever CPL is.
constexpr SmapRow kSmapRows[] = {
    {"user page", true, false, false, 0x1, 0x3, kOk, kOk},
    {"user page, AC", true, true, false, kOk, kOk, kOk, kOk},
    {"user page, implicit", true, false, true, 0x1, 0x3, 0x1, 0x3},
    {"user page, AC, implicit", true, true, true, 0x1, 0x3, 0x1, 0x3},
    {"supervisor page", false, false, false, kOk, kOk, 0x5, 0x7},
    {"supervisor page, implicit", false, false, true, kOk, kOk, kOk, kOk},
};

void smap(const Sink& sink) {
  for (const SmapRow& row : kSmapRows) {
    for (const unsigned ept_levels : {0U, 4U}) {
      MachineState state({.ept_levels = ept_levels});
      state.context.cr4 |= kSmap;
      state.context.rflags_ac = row.ac;
      if (!row.user_page) state.poke_guest(1, kUserPage, 0);
      const struct {
        AccessKind access;
        bool user;
        std::uint32_t code;
      } accesses[] = {
          {AccessKind::kRead, false, row.supervisor_read},
          {AccessKind::kWrite, false, row.supervisor_write},
          {AccessKind::kReadModifyWrite, false, row.supervisor_write},
          {AccessKind::kRead, true, row.user_read},
          {AccessKind::kWrite, true, row.user_write},
      };
      for (const auto& access : accesses) {
        sink(state.vector(std::string("SMAP, ") + row.what + (access.user ? ", CPL 3 " : ", ") +
                              std::string(arch::name(access.access)) + on(ept_levels),
                          request(state.linear(), access.access, access.user, row.implicit),
                          outcome(state, access.code)));
      }
      // Fetches are SMEP's.
      if (row.implicit) continue;
      sink(state.vector(std::string("SMAP, ") + row.what + ", fetch" + on(ept_levels),
                        request(state.linear(), AccessKind::kFetch, false), outcome(state, kOk)));
      MachineState both = state;
      both.context.cr4 |= kSmep;
      sink(both.vector(std::string("SMAP, SMEP, ") + row.what + ", fetch" + on(ept_levels),
                       request(state.linear(), AccessKind::kFetch, false),
                       outcome(state, row.user_page ? 0x11 : kOk)));
    }
  }
}

// ---- protection keys ---------------------------------------------------------------------------

struct KeyRow {
  bool ad, wd, wp;
  std::uint32_t supervisor_read, supervisor_write, user_read, user_write;
};
// A page of the guest's user: PKRU decides.
constexpr KeyRow kUserKeyRows[] = {
    {false, false, true, kOk, kOk, kOk, kOk},      //
    {false, true, true, kOk, 0x23, kOk, 0x27},     //
    {false, true, false, kOk, kOk, kOk, 0x27},     //
    {true, false, true, 0x21, 0x23, 0x25, 0x27},   //
    {true, false, false, 0x21, 0x23, 0x25, 0x27},  //
    {true, true, true, 0x21, 0x23, 0x25, 0x27},    //
};
// A supervisor page: PKRS decides, and U/S refuses the user, with PK set where the key refuses too.
constexpr KeyRow kSupervisorKeyRows[] = {
    {false, false, true, kOk, kOk, 0x5, 0x7},      //
    {false, true, true, kOk, 0x23, 0x5, 0x27},     //
    {false, true, false, kOk, kOk, 0x5, 0x7},      //
    {true, false, true, 0x21, 0x23, 0x25, 0x27},   //
    {true, false, false, 0x21, 0x23, 0x25, 0x27},  //
    {true, true, true, 0x21, 0x23, 0x25, 0x27},    //
};

void keys(bool user_page, const KeyRow& row, Guest guest, unsigned key, const Sink& sink) {
  MachineState state({.guest = guest});
  state.context.cr4 |= kPke | kPks;
  if (!row.wp) state.context.cr0 &= ~kWp;
  if (!user_page) state.poke_guest(1, kUserPage, 0);
  state.poke_guest(1, 0, std::uint64_t{key} << 59);
  const std::uint32_t rights = (row.ad ? 1U : 0U) | (row.wd ? 2U : 0U);
  // The other register, and the other keys of this one, refuse everything.
  const std::uint32_t others = ~(std::uint32_t{3} << (2 * key));
  const std::uint32_t own = others | (rights << (2 * key));
  state.context.pkru = user_page ? own : ~0U;
  state.context.pkrs = user_page ? ~0U : own;
  const std::string text = std::string(user_page ? "PKRU" : "PKRS") + " key " +
                           std::to_string(key) + (row.ad ? " AD" : "") + (row.wd ? " WD" : "") +
                           (row.wp ? ", " : ", CR0.WP=0, ") + std::string(name(guest)) + ", ";
  const struct {
    AccessKind access;
    bool user;
    std::uint32_t code;
  } accesses[] = {
      {AccessKind::kRead, false, row.supervisor_read},
      {AccessKind::kWrite, false, row.supervisor_write},
      {AccessKind::kRead, true, row.user_read},
      {AccessKind::kWrite, true, row.user_write},
      {AccessKind::kFetch, false, kOk},
      {AccessKind::kFetch, true, user_page ? kOk : 0x15U},
  };
  for (const auto& access : accesses) {
    const mmu::Request asked = request(state.linear(), access.access, access.user);
    sink(state.vector(
        text + (access.user ? "user " : "supervisor ") + std::string(arch::name(access.access)),
        asked, outcome(state, access.code)));
    // Each register counts only with its bit of CR4.
    MachineState off = state;
    off.context.cr4 &= ~(user_page ? kPke : kPks);
    std::uint32_t code = kOk;
    if (!user_page && access.user) code = access.code & ~0x20U;
    sink(off.vector(text + "CR4 bit clear, " + (access.user ? "user " : "supervisor ") +
                        std::string(arch::name(access.access)),
                    asked, outcome(off, code)));
  }
}

// ---- shadow stacks -----------------------------------------------------------------------------

/// A page of a shadow stack is read-only and dirty, under tables that all allow writes.
void shadow_stacks(const Sink& sink) {
  struct Row {
    const char* what;
    unsigned level;
    std::uint64_t clear, set;  ///< in the guest entry of that level
    bool good;
  };
  const Row rows[] = {
      {"shadow-stack page", 1, 0, 0, true},
      {"writable page", 1, 0, 0x2, false},
      {"clean page", 1, 0x40, 0, false},
      {"clean writable page", 1, 0x40, 0x2, false},
      {"read-only table L2", 2, 0x2, 0, false},
      {"read-only table L3", 3, 0x2, 0, false},
      {"read-only table L4", 4, 0x2, 0, false},
      {"execute-disable page", 1, 0, std::uint64_t{1} << 63, true},
  };
  for (const Row& row : rows) {
    for (const unsigned ept_levels : {0U, 4U}) {
      for (const bool user_page : {false, true}) {
        for (const bool user : {false, true}) {
          for (const bool write : {false, true}) {
            MachineState state({.ept_levels = ept_levels});
            state.context.cr4 |= kCet | kSmap;
            state.poke_guest(1, 0x2, 0);
            if (!user_page) state.poke_guest(1, kUserPage, 0);
            state.poke_guest(row.level, row.clear, row.set);
            const bool good = row.good && user == user_page;
            const std::uint32_t code = 0x41U | (write ? 0x2U : 0U) | (user ? 0x4U : 0U);
            sink(state.vector(
                std::string("shadow stack, ") + row.what + (user_page ? " of the user, " : ", ") +
                    (user ? "user " : "supervisor ") + (write ? "write" : "read") + on(ept_levels),
                request(state.linear(),
                        write ? AccessKind::kShadowStackWrite : AccessKind::kShadowStackRead, user),
                outcome(state, good ? kOk : code)));
          }
        }
      }
    }
  }
  // An ordinary store to such a page is refused, and a load is not.
  MachineState state;
  state.context.cr4 |= kCet;
  state.poke_guest(1, 0x2, 0);
  sink(state.vector("store to a shadow-stack page",
                    request(state.linear(), AccessKind::kWrite, false), page_fault(0x3)));
  sink(state.vector("load from a shadow-stack page",
                    request(state.linear(), AccessKind::kRead, false),
                    translated(state.gpa(), state.hpa())));
  // Absent and reserved: the bit for shadow stacks is set there too.
  MachineState absent = state;
  absent.poke_guest(2, 0x1, 0);
  sink(absent.vector("shadow-stack write, absent table",
                     request(state.linear(), AccessKind::kShadowStackWrite, false),
                     page_fault(0x42)));
  MachineState reserved = state;
  reserved.poke_guest(2, 0, std::uint64_t{1} << 50);
  sink(reserved.vector("shadow-stack read, reserved bit",
                       request(state.linear(), AccessKind::kShadowStackRead, true),
                       page_fault(0x4d)));
  // Keys apply as to data.
  MachineState keyed = state;
  keyed.context.cr4 |= kPke;
  keyed.poke_guest(1, 0, std::uint64_t{5} << 59);
  keyed.context.pkru = 1U << 11;  // WD of key 5
  sink(keyed.vector("shadow-stack write, key without writes",
                    request(state.linear(), AccessKind::kShadowStackWrite, true),
                    page_fault(0x67)));
  sink(keyed.vector("shadow-stack read, key without writes",
                    request(state.linear(), AccessKind::kShadowStackRead, true),
                    translated(state.gpa(), state.hpa())));
}

// ---- linear addresses --------------------------------------------------------------------------

void canonical(const Sink& sink) {
  struct Row {
    Guest guest;
    std::uint64_t address;
    bool canonical;
  };
  constexpr Row kRows[] = {
      {Guest::k4Level, 0x0000'7fff'ffff'ffff, true},
      {Guest::k4Level, 0x0000'8000'0000'0000, false},
      {Guest::k4Level, 0xffff'7fff'ffff'ffff, false},
      {Guest::k4Level, 0xffff'8000'0000'0000, true},
      {Guest::k4Level, 0x8000'0000'0000'0000, false},
      {Guest::k4Level, 0x0100'0000'0000'0000, false},
      {Guest::k5Level, 0x0000'8000'0000'0000, true},
      {Guest::k5Level, 0x00ff'ffff'ffff'ffff, true},
      {Guest::k5Level, 0x0100'0000'0000'0000, false},
      {Guest::k5Level, 0xfeff'ffff'ffff'ffff, false},
      {Guest::k5Level, 0xff00'0000'0000'0000, true},
      {Guest::k5Level, 0x8000'0000'0000'0000, false},
  };
  for (const Row& row : kRows) {
    const MachineState state({.guest = row.guest});
    for (const Op op : kOps) {
      mmu::Request asked = request_of(op, row.address);
      asked.address = row.address;
      // Nothing is mapped there.
      constexpr std::uint32_t kAbsent[] = {0x0, 0x2, 0x10, 0x14};
      Expected expected =
          row.canonical ? page_fault(kAbsent[static_cast<unsigned>(op)]) : general_protection();
      if (!row.canonical) expected.references = 0;
      sink(state.vector(std::string(name(row.guest)) + " guest, linear address " +
                            tb::hex(row.address) + ", " + std::string(name(op)),
                        asked, std::move(expected)));
    }
  }
}

/// LASS: bit 63 parts user from supervisor before any paging.
void separation(const Sink& sink) {
  struct Row {
    const char* what;
    bool upper, user, implicit, fetch, smap, ac;
    bool good;
  };
  constexpr Row kRows[] = {
      {"user load, lower half", false, true, false, false, true, false, true},
      {"user load, upper half", true, true, false, false, true, false, false},
      {"user fetch, lower half", false, true, false, true, true, false, true},
      {"user fetch, upper half", true, true, false, true, true, false, false},
      {"supervisor fetch, lower half", false, false, false, true, false, true, false},
      {"supervisor fetch, upper half", true, false, false, true, true, false, true},
      {"supervisor load, lower half, SMAP", false, false, false, false, true, false, false},
      {"supervisor load, lower half, SMAP, AC", false, false, false, false, true, true, true},
      {"supervisor load, lower half, no SMAP", false, false, false, false, false, false, true},
      {"supervisor load, upper half, SMAP", true, false, false, false, true, false, true},
      {"implicit load, lower half, SMAP, AC", false, true, true, false, true, true, false},
      {"implicit load, lower half, no SMAP", false, true, true, false, false, false, true},
      {"implicit load, upper half, SMAP", true, true, true, false, true, false, true},
  };
  for (const Row& row : kRows) {
    MachineState state;
    state.context.cr4 |= kLass | (row.smap ? kSmap : 0);
    state.context.rflags_ac = row.ac;
    std::uint64_t address = state.linear();
    if (row.upper) {
      address |= 0xffff'8000'0000'0000;
      state.map_guest_chain(state.context.cr3, address, state.gpa(), 1);
    }
    // Supervisor pages for supervisor accesses, so that paging allows what LASS lets pass, but for
    // the upper levels of one and the same table.
    const bool supervisor = !row.user || row.implicit;
    const std::uint64_t leaf =
        MachineState::table_hpa(state.chain_entry_gpa(state.context.cr3, address, 1));
    if (supervisor) state.poke(leaf, kUserPage, 0);
    Expected expected = row.good ? translated(state.gpa(), state.hpa()) : general_protection();
    if (!row.good) expected.references = 0;
    sink(state.vector(std::string("LASS, ") + row.what,
                      request(address, row.fetch ? AccessKind::kFetch : AccessKind::kRead, row.user,
                              row.implicit),
                      std::move(expected)));
  }
}

/// Advanced information on a violation: the guest's rights, gathered over all levels.
void advanced_information(const Sink& sink) {
  for (unsigned level = 1; level <= 4; ++level) {
    for (unsigned rights = 0; rights < 8; ++rights) {
      for (const bool capable : {false, true}) {
        for (const bool nxe : {false, true}) {
          const bool user = (rights & 1) != 0;
          const bool writable = (rights & 2) != 0;
          const bool disabled = (rights & 4) != 0;
          if (disabled && !nxe) continue;  // reserved
          MachineState state;
          state.context.cpu.advanced_exit_info = capable;
          if (!nxe) state.context.efer &= ~std::uint64_t{0x800};
          state.poke_guest(
              level, 0x6,
              (user ? 4U : 0U) | (writable ? 2U : 0U) | (disabled ? std::uint64_t{1} << 63 : 0));
          state.poke(state.ept_entry(1), 7, 0);
          std::uint64_t qualification = 0x181;
          if (capable) {
            qualification |= (user ? kUserAddress : 0) | (writable ? kGuestWritable : 0) |
                             (disabled ? kGuestNx : 0);
          }
          sink(state.vector(
              "advanced information " + std::string(capable ? "with" : "without") +
                  " the capability, guest L" + std::to_string(level) + (user ? " u" : " -") +
                  (writable ? "w" : "-") + (disabled ? " NX" : "") + (nxe ? "" : ", no NXE"),
              request_of(Op::kR, state.linear()), violation(qualification, state.gpa())));
        }
      }
    }
  }
  // Without paging every address is of the user, writable and executable.
  MachineState state({.guest = Guest::kNone});
  state.context.cpu.advanced_exit_info = true;
  state.poke(state.ept_entry(1), 7, 0);
  sink(state.vector("advanced information without paging", request_of(Op::kR, state.linear()),
                    violation(0x781, state.gpa())));
}

/// Without paging every linear address is user-mode for the EPT's execute bits.
void execute_without_paging(const Sink& sink) {
  for (const bool user : {false, true}) {
    MachineState state({.guest = Guest::kNone, .mode_based_execute = true});
    state.poke(state.ept_entry(1), 0x400, 0);
    const std::string who = user ? ", CPL 3" : ", CPL 0";
    sink(state.vector("no paging, rwx without u" + who,
                      request(state.linear(), AccessKind::kFetch, user),
                      violation(0x1bc, state.gpa())));
    state.poke(state.ept_entry(1), 0x404, 0x400);
    sink(state.vector("no paging, rwu" + who, request(state.linear(), AccessKind::kFetch, user),
                      translated(state.gpa(), state.hpa())));
  }
}

}  // namespace

void guest_rights(const Sink& sink) {
  smap(sink);
  for (const Guest guest : {Guest::k4Level, Guest::k5Level}) {
    for (const unsigned key : {0U, 1U, 9U, 15U}) {
      for (const KeyRow& row : kUserKeyRows) keys(true, row, guest, key, sink);
      for (const KeyRow& row : kSupervisorKeyRows) keys(false, row, guest, key, sink);
    }
  }
  shadow_stacks(sink);
  canonical(sink);
  separation(sink);
  advanced_information(sink);
  execute_without_paging(sink);
}

}  // namespace eptsim::tb::conformance
