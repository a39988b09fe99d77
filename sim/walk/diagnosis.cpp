#include "sim/walk/diagnosis.hpp"

#include <fmt/format.h>

#include "ept/arch/access.hpp"
#include "ept/arch/bit_field.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/registers.hpp"
#include "mmu_model/walk/walk_context.hpp"

namespace eptsim::sim {
namespace {

using arch::BitField;
using mmu::Reason;

constexpr const char* kNoInveptOwed =
    "No INVEPT is owed: a right that is added shows after one more violation at the latest.";
constexpr const char* kNoInvlpgOwed =
    "No INVLPG is owed: a right that is added shows after one more page fault at the latest.";
constexpr const char* kNeverCached =
    "No invalidation is owed: an entry in this state is never cached.";
constexpr const char* kInveptOwed = "INVEPT is owed, for what was there before may be cached.";
constexpr const char* kInvlpgOwed = "INVLPG is owed, for what was there before may be cached.";

std::string at(const Visit& visit) {
  return fmt::format("{} at host-physical {:#x}", visit.name(), visit.reference.address);
}

std::string bit_change(const Visit& visit, unsigned bit, std::string_view name, bool to) {
  const std::uint64_t mask = std::uint64_t{1} << bit;
  const std::uint64_t now = visit.reference.value;
  return fmt::format("{}: bit {} ({}) from {:d} to {:d}, which makes it {:#x}", at(visit), bit,
                     name, !to, to, to ? now | mask : now & ~mask);
}

std::string register_change(std::string_view name, unsigned bit, bool to) {
  return fmt::format("{} (bit {}) from {:d} to {:d}", name, bit, !to, to);
}

/// The bits of `mask`, by number: "13, 14 and 51".
std::string numbers_of(std::uint64_t mask) {
  std::string out;
  for (unsigned bit = 0; bit < 64; ++bit) {
    if ((mask >> bit & 1) == 0) continue;
    mask &= ~(std::uint64_t{1} << bit);
    out += fmt::format("{}{}", out.empty() ? "" : mask == 0 ? " and " : ", ", bit);
  }
  return out;
}

class Doctor {
 public:
  Doctor(const mmu::Context& context, const mmu::Request& request, const WalkAnswer& answer,
         const std::vector<WalkColumn>& path)
      : context_(context), rules_(context), request_(request), answer_(answer), path_(path) {}

  Diagnosis diagnose();

 private:
  /// The entry that decided; it was read, so it is on the path.
  const Visit* deciding() const {
    const Visit* found = nullptr;
    for (const WalkColumn& column : path_) {
      for (const Visit& visit : column.visits) {
        if (visit.reference.place == answer_.outcome.place &&
            visit.reference.address == answer_.outcome.entry_address) {
          found = &visit;
        }
      }
    }
    return found;
  }

  /// Entries of the last translation by the EPT.
  std::vector<Visit> last_ept_entries() const {
    std::vector<Visit> entries;
    if (path_.empty()) return entries;
    for (const Visit& visit : path_.back().visits) {
      if (visit.table == TableKind::kEpt) entries.push_back(visit);
    }
    return entries;
  }

  /// Guest entries that translated the last linear address, from the root.
  std::vector<Visit> guest_entries() const {
    std::vector<Visit> entries;
    for (const WalkColumn& column : path_) {
      if (column.linear != path_.back().linear) continue;
      for (const Visit& visit : column.visits) {
        if (!visit.is_guest()) continue;
        if (!entries.empty() && entries.back().table != visit.table) entries.clear();  // restarted
        entries.push_back(visit);
      }
    }
    return entries;
  }

  bool user() const { return request_.user && !request_.implicit; }

  /// What the EPT was asked for: the access itself, or a paging-structure entry.
  std::string subject() const {
    if (path_.empty() || path_.back().guest_level == 0) return "the page";
    return fmt::format(
        "the page that holds the {}",
        Visit{.table = path_.back().table, .level = path_.back().guest_level}.name());
  }

  // Each fills in `it_`.
  void missing_ept_right(std::string_view verb, unsigned bit, std::string_view name);
  void missing_guest_right(std::string_view why, unsigned bit, std::string_view name, bool wanted);
  void user_page(std::string_view why, std::string_view control, unsigned bit);
  void reserved_bits(const Visit& visit);
  void not_present(const Visit& visit);
  void protection_key();
  void guest_shadow_stack();
  void ept_shadow_stack();
  void paging_verification();
  void ept_write();
  void ept_execute();
  void linear_address();
  void sub_pages(const Visit& visit);
  void memory_type(const Visit& visit);

  const mmu::Context& context_;
  mmu::WalkContext rules_;
  const mmu::Request& request_;
  const WalkAnswer& answer_;
  const std::vector<WalkColumn>& path_;
  Diagnosis it_;
};

void Doctor::missing_ept_right(std::string_view verb, unsigned bit, std::string_view name) {
  std::size_t levels = 0;
  for (const Visit& entry : last_ept_entries()) {
    if ((entry.reference.value >> bit & 1) != 0) continue;
    it_.changes.push_back(bit_change(entry, bit, name, true));
    ++levels;
  }
  it_.why = fmt::format("The EPT maps {}, but does not let it be {}: {} is 0 in {}.", subject(),
                        verb, name, levels == 1 ? "one entry" : fmt::format("{} entries", levels));
  it_.afterwards = kNoInveptOwed;
}

void Doctor::missing_guest_right(std::string_view why, unsigned bit, std::string_view name,
                                 bool wanted) {
  it_.why = why;
  for (const Visit& entry : guest_entries()) {
    if ((entry.reference.value >> bit & 1) == (wanted ? 1u : 0u)) continue;
    it_.changes.push_back(bit_change(entry, bit, name, wanted));
  }
  it_.afterwards = kNoInvlpgOwed;
}

/// A supervisor access to a page that every entry gives to the user.
void Doctor::user_page(std::string_view why, std::string_view control, unsigned bit) {
  it_.why = why;
  it_.one_is_enough = true;
  const std::vector<Visit> entries = guest_entries();
  if (!entries.empty()) it_.changes.push_back(bit_change(entries.back(), 2, "USER", false));
  it_.changes.push_back(register_change(control, bit, false));
  it_.afterwards = kInvlpgOwed;
}

void Doctor::reserved_bits(const Visit& visit) {
  const mmu::WalkContext::ReservedBits& reserved =
      visit.is_guest() ? rules_.guest_reserved : rules_.ept_reserved;
  const std::uint64_t set =
      visit.reference.value & (visit.leaf ? reserved.page : reserved.table)[visit.level];
  it_.why = fmt::format("{} in the {}, which {}.",
                        (set & (set - 1)) == 0
                            ? fmt::format("Bit {} is reserved and set", numbers_of(set))
                            : fmt::format("Bits {} are reserved and set", numbers_of(set)),
                        visit.name(), visit.leaf ? "maps a page" : "leads to a table");
  it_.changes.push_back(fmt::format("{}: {} {} from 1 to 0, which makes it {:#x}", at(visit),
                                    (set & (set - 1)) == 0 ? "bit" : "bits", numbers_of(set),
                                    visit.reference.value & ~set));
  if (visit.is_guest() && (set & arch::guest_entry::kExecuteDisable.mask()) != 0) {
    it_.why += " Bit 63 is EXECUTE_DISABLE only with EFER.NXE = 1.";
  }
  if ((set & rules_.address_high) != 0) {
    it_.why += fmt::format(" Physical addresses have {} bits here.", context_.cpu.maxphyaddr);
  }
  if ((set & arch::ept_entry::kPageSize.mask()) != 0 && !visit.leaf) {
    it_.why += " This processor maps no page at this level.";
  }
  it_.afterwards = kNeverCached;
}

void Doctor::not_present(const Visit& visit) {
  const std::uint64_t entry = visit.reference.value;
  if (visit.is_guest()) {
    it_.why = fmt::format("The guest has nothing mapped there: PRESENT is 0 in its {}.",
                          visit.name().substr(visit.name().find(' ') + 1));
    it_.changes.push_back(bit_change(visit, 0, "PRESENT", true));
  } else {
    it_.why = fmt::format(
        "The EPT maps nothing there: none of {} is set in the {}, so guest-physical {:#x} has no "
        "memory.",
        context_.controls.mode_based_execute ? "READ, WRITE, EXECUTE and USER_EXECUTE"
                                             : "READ, WRITE and EXECUTE",
        visit.name(), answer_.outcome.gpa);
    it_.changes.push_back(bit_change(visit, 0, "READ", true));
    if (arch::is_write(request_.access) && path_.back().guest_level == 0) {
      it_.changes.push_back(bit_change(visit, 1, "WRITE", true));
    } else if (request_.access == arch::AccessKind::kFetch && path_.back().guest_level == 0) {
      it_.changes.push_back(bit_change(visit, 2, "EXECUTE", true));
    }
  }
  if ((entry & arch::ept_entry::kAddress.mask()) == 0) {
    it_.changes.push_back(fmt::format(
        "and its address bits, which are 0, to {}",
        visit.level == 1 ? "those of a page"
                         : fmt::format("those of a table{}",
                                       visit.level <= 3 ? ", or of a large page with bit 7" : "")));
  }
  it_.afterwards = kNeverCached;
}

void Doctor::protection_key() {
  const std::vector<Visit> entries = guest_entries();
  if (entries.empty()) return;
  const auto key =
      static_cast<unsigned>(arch::guest_entry::kProtectionKey.get(entries.back().reference.value));
  bool user_page = true;
  for (const Visit& entry : entries) {
    user_page = user_page && arch::guest_entry::kUser.any(entry.reference.value);
  }
  const std::uint32_t rights = user_page ? context_.pkru : context_.pkrs;
  const std::string_view name = user_page ? "PKRU" : "IA32_PKRS";
  it_.why = fmt::format(
      "The page has protection key {} (bits 62:59 of the {}), and {} ({:#x}) denies {}.", key,
      entries.back().name(), name, rights,
      (rights >> (2 * key) & 1) != 0 ? "all its data accesses" : "its writes");
  if ((rights >> (2 * key) & 1) != 0) {
    it_.changes.push_back(register_change(fmt::format("{}.AD{}", name, key), 2 * key, false));
  }
  if ((rights >> (2 * key) & 2) != 0 && arch::is_write(request_.access)) {
    it_.changes.push_back(register_change(fmt::format("{}.WD{}", name, key), 2 * key + 1, false));
  }
  it_.afterwards = "No invalidation is owed: the keys' rights are never cached.";
}

void Doctor::guest_shadow_stack() {
  it_.why =
      "The page is no shadow stack for this access: its last entry must be read-only and dirty, "
      "all "
      "above it writable, and it must be the user's for a user access and the supervisor's else.";
  const std::vector<Visit> entries = guest_entries();
  bool user_page = true;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Visit& entry = entries[i];
    const std::uint64_t value = entry.reference.value;
    const bool leaf = i + 1 == entries.size();
    user_page = user_page && arch::guest_entry::kUser.any(value);
    if (arch::guest_entry::kWritable.any(value) == leaf) {
      it_.changes.push_back(bit_change(entry, 1, "WRITABLE", !leaf));
    }
    if (leaf && !arch::guest_entry::kDirty.any(value)) {
      it_.changes.push_back(bit_change(entry, 6, "DIRTY", true));
    }
  }
  if (!entries.empty() && user_page && !user()) {
    it_.changes.push_back(bit_change(entries.back(), 2, "USER", false));
  }
  it_.afterwards = kInvlpgOwed;
}

void Doctor::ept_shadow_stack() {
  it_.why =
      "EPTP bit 7 is set: a supervisor shadow-stack access needs READ in every EPT entry, WRITE in "
      "all but the last, and SUPERVISOR_SHADOW_STACK in the last.";
  for (const Visit& entry : last_ept_entries()) {
    const std::uint64_t value = entry.reference.value;
    if ((value & 1) == 0) it_.changes.push_back(bit_change(entry, 0, "READ", true));
    if (!entry.leaf && (value & 2) == 0) it_.changes.push_back(bit_change(entry, 1, "WRITE", true));
    if (entry.leaf && !arch::ept_entry::kSupervisorShadowStack.any(value)) {
      it_.changes.push_back(bit_change(entry, 60, "SUPERVISOR_SHADOW_STACK", true));
    }
  }
  it_.afterwards = kNoInveptOwed;
}

void Doctor::paging_verification() {
  it_.why =
      "VERIFY is set in the EPT leaf of the page, so each guest entry that led to it must lie in a "
      "page whose EPT leaf has PAGING_WRITE_ACCESS.";
  for (const WalkColumn& column : path_) {
    if (column.guest_level == 0 || column.table == TableKind::kHlat ||
        column.linear != path_.back().linear) {
      continue;
    }
    for (const Visit& visit : column.visits) {
      if (visit.table == TableKind::kEpt && visit.leaf &&
          !arch::ept_entry::kPagingWriteAccess.any(visit.reference.value)) {
        it_.changes.push_back(bit_change(visit, 58, "PAGING_WRITE_ACCESS", true));
      }
    }
  }
  it_.afterwards = kNoInveptOwed;
}

void Doctor::ept_write() {
  const bool paging = !path_.empty() && path_.back().guest_level != 0;
  missing_ept_right("written", 1, "WRITE");
  if (paging) {
    it_.why += context_.ept_enabled && arch::eptp::kAccessedDirty.any(context_.eptp)
                   ? " With EPTP bit 6 set every access to a guest paging structure counts as a "
                     "write."
                   : " The walk had to set an accessed or dirty flag in the guest's entry.";
    return;
  }
  if (path_.empty() || path_.back().visits.empty()) return;
  const Visit& last = path_.back().visits.back();
  if (last.table == TableKind::kSpp) {
    sub_pages(last);
  }
}

/// The vector was reached, and refused one of the sub-pages that the write touches.
void Doctor::sub_pages(const Visit& visit) {
  const std::uint64_t offset = answer_.outcome.gpa & 0xfff;
  const std::uint64_t bytes = std::min<std::uint64_t>(request_.size, 0x1000 - offset);
  it_.changes.clear();
  it_.why =
      "The EPT forbids writes to the page but for single sub-pages of 128 bytes, and the sub-page "
      "vector does not allow each one that the write touches.";
  for (std::uint64_t sub_page = offset >> 7; sub_page <= (offset + bytes - 1) >> 7; ++sub_page) {
    const auto bit = static_cast<unsigned>(2 * sub_page);
    if ((visit.reference.value >> bit & 1) == 0) {
      it_.changes.push_back(bit_change(visit, bit, fmt::format("sub-page {}", sub_page), true));
    }
  }
  it_.afterwards = kInveptOwed;
}

void Doctor::ept_execute() {
  bool user_address = true;  // without paging every address is of user mode
  for (const Visit& entry : guest_entries()) {
    user_address = user_address && arch::guest_entry::kUser.any(entry.reference.value);
  }
  if (!request_.linear) user_address = false;
  if (context_.controls.mode_based_execute && user_address) {
    missing_ept_right("executed from a user-mode address", 10, "USER_EXECUTE");
    it_.why +=
        " With mode-based execute control bit 10 decides, for the guest's own entries all "
        "say USER; CPL plays no part.";
    return;
  }
  missing_ept_right(
      context_.controls.mode_based_execute ? "executed from a supervisor-mode address" : "executed",
      2, "EXECUTE");
}

void Doctor::linear_address() {
  if (answer_.outcome.reason == Reason::kNotCanonical) {
    const unsigned width = rules_.linear_width;
    const std::uint64_t sign = answer_.address >> (width - 1) & 1;
    const std::uint64_t low = answer_.address & ((std::uint64_t{1} << width) - 1);
    it_.why = fmt::format(
        "Bits 63:{} of a linear address must be equal with {}-level paging: the address is not "
        "canonical. No table was read.",
        width - 1, width == 57 ? 5 : 4);
    it_.changes.push_back(fmt::format("the address: {:#x} is canonical",
                                      sign != 0 ? low | ~std::uint64_t{0} << width : low));
    return;
  }
  it_.why = fmt::format(
      "Linear-address-space separation (CR4.LASS) keeps {} out of the {} half of the address "
      "space. No table was read.",
      user() ? "the user" : "the supervisor", user() ? "upper" : "lower");
  it_.one_is_enough = true;
  it_.changes.push_back(register_change("CR4.LASS", arch::cr4::kLass.low, false));
  if (!user() && request_.access != arch::AccessKind::kFetch) {
    if (!request_.implicit) it_.changes.push_back(register_change("RFLAGS.AC", 18, true));
    it_.changes.push_back(register_change("CR4.SMAP", arch::cr4::kSmap.low, false));
  }
}

void Doctor::memory_type(const Visit& visit) {
  const std::uint64_t type = arch::ept_entry::kMemoryType.get(visit.reference.value);
  it_.why = fmt::format("Bits 5:3 of the {}, the memory type, are {}, which is reserved.",
                        visit.name(), type);
  it_.changes.push_back(
      fmt::format("{}: bits 5:3 from {} to 6 (WB), 5 (WP), 4 (WT), 1 (WC) or 0 (UC); WB makes it "
                  "{:#x}",
                  at(visit), type, arch::ept_entry::kMemoryType.set(visit.reference.value, 6)));
  it_.afterwards = kNeverCached;
}

Diagnosis Doctor::diagnose() {
  const Visit* decided = deciding();
  const Visit entry = decided != nullptr ? *decided : Visit{};
  switch (answer_.outcome.reason) {
    case Reason::kNone: break;
    case Reason::kNotCanonical:
    case Reason::kLass: linear_address(); break;
    case Reason::kGuestNotPresent:
    case Reason::kEptNotPresent: not_present(entry); break;
    case Reason::kGuestReservedBit:
    case Reason::kEptReservedBit: reserved_bits(entry); break;
    case Reason::kGuestNotWritable:
      missing_guest_right("The guest maps the page read-only: WRITABLE must be 1 at every level.",
                          1, "WRITABLE", true);
      if (!user()) {
        it_.changes.push_back("or instead " + register_change("CR0.WP", arch::cr0::kWp.low, false));
      }
      break;
    case Reason::kGuestSupervisorPage:
      missing_guest_right(
          "A user-mode access to the supervisor's page: USER must be 1 at every level.", 2, "USER",
          true);
      break;
    case Reason::kGuestExecuteDisable:
      missing_guest_right("The guest forbids execution: EXECUTE_DISABLE must be 0 at every level.",
                          63, "EXECUTE_DISABLE", false);
      break;
    case Reason::kGuestSmep:
      user_page("A supervisor-mode fetch from a user-mode page, which CR4.SMEP forbids.",
                "CR4.SMEP", arch::cr4::kSmep.low);
      break;
    case Reason::kGuestSmap:
      user_page("A supervisor-mode data access to a user-mode page, which CR4.SMAP forbids.",
                "CR4.SMAP", arch::cr4::kSmap.low);
      if (!request_.implicit) {
        it_.changes.push_back(register_change("RFLAGS.AC", 18, true) + ", as STAC does");
      }
      break;
    case Reason::kGuestProtectionKey: protection_key(); break;
    case Reason::kGuestShadowStack: guest_shadow_stack(); break;
    case Reason::kEptAddressTooWide:
      it_.why = fmt::format(
          "A 4-level EPT translates 48 bits, and guest-physical {:#x} has some of bits 51:48 set. "
          "No EPT entry was read.",
          answer_.outcome.gpa);
      it_.changes.push_back("EPTP bits 5:3 from 3 to 4, with a level-5 table as the root");
      it_.afterwards = kInveptOwed;
      break;
    case Reason::kEptNotReadable: missing_ept_right("read", 0, "READ"); break;
    case Reason::kEptNotWritable: ept_write(); break;
    case Reason::kEptNotExecutable: ept_execute(); break;
    case Reason::kEptShadowStack: ept_shadow_stack(); break;
    case Reason::kEptPagingVerification: paging_verification(); break;
    case Reason::kEptWriteWithoutRead:
      it_ = {"WRITE without READ is no valid combination.",
             {bit_change(entry, 0, "READ", true), bit_change(entry, 1, "WRITE", false)},
             true,
             kNeverCached};
      break;
    case Reason::kEptExecuteOnlyUnsupported:
      it_ = {
          "The entry allows execution without READ, and this processor has no execute-only "
          "pages (IA32_VMX_EPT_VPID_CAP bit 0).",
          {bit_change(entry, 0, "READ", true)},
          false,
          kNeverCached};
      break;
    case Reason::kEptPagingWriteWithoutRead:
      it_ = {
          "PAGING_WRITE_ACCESS without READ is no valid combination.",
          {bit_change(entry, 0, "READ", true), bit_change(entry, 58, "PAGING_WRITE_ACCESS", false)},
          true,
          kNeverCached};
      break;
    case Reason::kEptMemoryType: memory_type(entry); break;
    case Reason::kPmlIndex:
      it_.why = fmt::format(
          "The walk had to set an accessed or dirty flag in the EPT, and the page-modification log "
          "has no entry left: its index is {:#x}, above 511. No flag was set.",
          context_.pml_index);
      it_.changes.push_back(
          "the PML index (VMCS field 0x812): to 511, once the log was read and cleared");
      break;
    case Reason::kSppMiss:
      it_.why = fmt::format(
          "The EPT leaves the write to the sub-page permissions, and the {} is not "
          "valid.",
          entry.name());
      it_.changes.push_back(bit_change(entry, 0, "VALID", true));
      it_.afterwards = kInveptOwed;
      break;
    case Reason::kSppMisconfiguration: {
      const std::uint64_t reserved =
          entry.leaf ? 0xaaaa'aaaa'aaaa'aaaa
                     : BitField{11, 1}.mask() | ~std::uint64_t{0} << context_.cpu.maxphyaddr;
      const std::uint64_t set = entry.reference.value & reserved;
      it_.why = fmt::format(
          "The EPT leaves the write to the sub-page permissions, and the {} has "
          "reserved bits set.",
          entry.name());
      it_.changes.push_back(fmt::format("{}: bits {} from 1 to 0, which makes it {:#x}", at(entry),
                                        numbers_of(set), entry.reference.value & ~set));
      it_.afterwards = kInveptOwed;
      break;
    }
  }
  return it_;
}

}  // namespace

Diagnosis diagnose(const mmu::Context& context, const mmu::Request& request,
                   const WalkAnswer& answer, const std::vector<WalkColumn>& path) {
  return Doctor(context, request, answer, path).diagnose();
}

}  // namespace eptsim::sim
