#include "sim/walk/tests/refused_accesses.hpp"

#include <utility>

#include "ept/arch/bit_field.hpp"
#include "ept/arch/registers.hpp"

namespace eptsim::sim::test {

using arch::AccessKind;
using mmu::Context;
using mmu::Reason;
using mmu::Request;

WalkImage image() { return WalkImage().guest_page(5, 0x20007); }

Context context() {
  Context context;
  context.ept_enabled = true;
  context.eptp = 0x101e;
  context.cr0 = 0x80010001;
  context.cr3 = 0x10000;
  context.cr4 = 0x20;
  context.efer = 0xd00;
  return context;
}

Request request(AccessKind access, bool user, std::uint64_t address) {
  return {.address = address, .access = access, .user = user};
}

namespace {

constexpr std::uint64_t kXd = std::uint64_t{1} << 63;
constexpr std::uint64_t kSpp = std::uint64_t{1} << 61;
constexpr std::uint64_t kPagingWrite = std::uint64_t{1} << 58;
constexpr std::uint64_t kVerify = std::uint64_t{1} << 57;

template <class Change>
Context context_with(Change&& change) {
  Context it = context();
  change(it);
  return it;
}

Context with_cr4(arch::BitField bit) {
  return context_with([bit](Context& c) { c.cr4 |= bit.mask(); });
}

constexpr AccessKind kRead = AccessKind::kRead;
constexpr AccessKind kWrite = AccessKind::kWrite;
constexpr AccessKind kFetch = AccessKind::kFetch;

void add_linear_addresses(std::vector<Case>& cases) {
  cases.push_back({Reason::kNotCanonical,
                   {image(), context()},
                   request(kRead, false, 1ull << 47),
                   Reason::kGuestNotPresent});
  // Where LASS no longer keeps the supervisor out, SMAP does, and the upper half has no page.
  cases.push_back({Reason::kLass, {image(), with_cr4(arch::cr4::kLass)}, request(kFetch)});
  cases.push_back({Reason::kLass,
                   {image(), with_cr4(arch::cr4::kLass)},
                   request(kRead, true, 0xffff'8000'0000'5000),
                   Reason::kGuestNotPresent});
  cases.push_back({Reason::kLass, {image().guest_page(5, 0x20003), context_with([](Context& c) {
                                     c.cr4 |= arch::cr4::kLass.mask() | arch::cr4::kSmap.mask();
                                   })}});
}

void add_guest_entries(std::vector<Case>& cases) {
  const Context wide = context();
  cases.push_back({Reason::kGuestNotPresent, {image().guest_page(5, 0x20006), wide}});
  cases.push_back({Reason::kGuestNotPresent, {image().store(0x11000, 0x12006), wide}});
  const Context narrow = context_with([](Context& c) { c.cr4 = c.efer = 0; });
  WalkImage narrow_image = WalkImage().store(0x10000, 0x13007, 4).store(0x13014, 0x20006, 4);
  cases.push_back({Reason::kGuestNotPresent, {narrow_image, narrow}});
  const Context pae = context_with([](Context& c) {
    c.efer = 0;
    c.pdptes = {0x12000, 0x12000, 0, 0};
  });
  cases.push_back({Reason::kGuestNotPresent, {image(), pae}});
  cases.push_back({Reason::kGuestNotPresent, {image(), pae}, request(kRead, false, 0x4000'5000)});

  cases.push_back({Reason::kGuestReservedBit, {image().guest_page(5, 7ull << 49 | 0x20007), wide}});
  cases.push_back({Reason::kGuestReservedBit, {image().store(0x10000, 0x11087), wide}});
  cases.push_back(
      {Reason::kGuestReservedBit,
       {image().guest_page(5, kXd | 0x20007), context_with([](Context& c) { c.efer = 0x500; })}});
  cases.push_back(
      {Reason::kGuestReservedBit, {image().store(0x12000, 0x2087), wide}});  // a 2M page at 0x2000

  cases.push_back({Reason::kGuestNotWritable,
                   {image().guest_page(5, 0x20005).store(0x11000, 0x12005), wide},
                   request(kWrite, true)});
  cases.push_back(
      {Reason::kGuestNotWritable, {image().guest_page(5, 0x20005), wide}, request(kWrite)});
  cases.push_back({Reason::kGuestNotWritable,
                   {image().guest_page(5, 0x20005), with_cr4(arch::cr4::kCet)},
                   request(kWrite)});
  cases.push_back({Reason::kGuestNotWritable,
                   {image().guest_page(5, 0x20001), wide},
                   request(kWrite, true),
                   Reason::kGuestSupervisorPage});
  cases.push_back({Reason::kGuestSupervisorPage,
                   {image().guest_page(5, 0x20003).store(0x12000, 0x13003), wide},
                   request(kRead, true)});
  cases.push_back({Reason::kGuestExecuteDisable,
                   {image().guest_page(5, kXd | 0x20007).store(0x12000, kXd | 0x13007), wide},
                   request(kFetch)});
  cases.push_back({Reason::kGuestSmep, {image(), with_cr4(arch::cr4::kSmep)}, request(kFetch)});
  cases.push_back({Reason::kGuestSmap, {image(), with_cr4(arch::cr4::kSmap)}});
  Request implicit = request(kRead, true);
  implicit.implicit = true;
  cases.push_back({Reason::kGuestSmap, {image(), with_cr4(arch::cr4::kSmap)}, implicit});
  // The lower page is translated, the upper is not.
  Request crossing = request(kWrite, true, 0x5ffc);
  crossing.size = 8;
  cases.push_back({Reason::kGuestNotWritable, {image().guest_page(6, 0x21005), wide}, crossing});
}

void add_keys_and_shadow_stacks(std::vector<Case>& cases) {
  constexpr std::uint64_t kKey3 = 3ull << 59;
  for (const std::uint32_t pkru : {0x40u, 0x80u, 0xc0u}) {
    for (const std::uint64_t cr0 : {0x80010001ull, 0x80000001ull}) {
      const Context keys = context_with([&](Context& c) {
        c.cr0 = cr0;
        c.cr4 |= arch::cr4::kPke.mask() | arch::cr4::kPks.mask();
        c.pkru = c.pkrs = pkru;
      });
      cases.push_back({Reason::kGuestProtectionKey,
                       {image().guest_page(5, kKey3 | 0x20007), keys},
                       request(kWrite, true)});
      if (pkru == 0x80 && cr0 == 0x80000001) continue;  // allowed without CR0.WP
      cases.push_back({Reason::kGuestProtectionKey,
                       {image().guest_page(5, kKey3 | 0x20003), keys},
                       request(kWrite)});
    }
  }
  const Context cet = with_cr4(arch::cr4::kCet);
  for (const bool user : {false, true}) {
    for (const AccessKind access : {AccessKind::kShadowStackRead, AccessKind::kShadowStackWrite}) {
      cases.push_back({Reason::kGuestShadowStack, {image(), cet}, request(access, user)});
      cases.push_back({Reason::kGuestShadowStack,
                       {image().guest_page(5, 0x20045).store(0x12000, 0x13005), cet},
                       request(access, user)});
    }
  }
}

void add_ept_not_present(std::vector<Case>& cases) {
  const auto absent = [](std::uint64_t page) { return image().ept_page(page, 0); };
  const Context plain = context();
  const Context flags = context_with([](Context& c) { c.eptp |= 1 << 6; });
  const Context mode_based = context_with([](Context& c) { c.controls.mode_based_execute = true; });
  for (const AccessKind access : {kRead, kWrite, kFetch, AccessKind::kReadModifyWrite}) {
    cases.push_back({Reason::kEptNotPresent, {absent(0x20), plain}, request(access)});
    cases.push_back({Reason::kEptNotPresent, {absent(0x20), flags}, request(access)});
    cases.push_back({Reason::kEptNotPresent, {absent(0x13), flags}, request(access)});
  }
  // With the EPT's own flags off a guest entry can be read, but not marked accessed.
  cases.push_back({Reason::kEptNotPresent,
                   {absent(0x13), plain},
                   {.address = 0x5000},
                   Reason::kEptNotWritable});
  WalkImage user_executable = absent(0x20);
  for (const std::uint64_t table : {0x1000, 0x2000, 0x3000}) {
    user_executable.store(table, table + 0x1407);
  }
  cases.push_back({Reason::kEptNotPresent, {user_executable, mode_based}, request(kFetch)});
  cases.push_back({Reason::kEptNotPresent,
                   {user_executable.guest_page(5, 0x20003), mode_based},
                   request(kFetch)});
  const Context shadow_stacks = context_with([](Context& c) {
    c.eptp |= 1 << 7;
    c.cpu.supervisor_shadow_stack = true;
    c.cr4 |= arch::cr4::kCet.mask();
  });
  cases.push_back({Reason::kEptNotPresent,
                   {absent(0x20).guest_page(5, 0x20041), shadow_stacks},
                   request(AccessKind::kShadowStackWrite)});
  cases.push_back({Reason::kEptShadowStack,
                   {image().guest_page(5, 0x20041), shadow_stacks},
                   request(AccessKind::kShadowStackWrite)});
  cases.push_back({Reason::kEptShadowStack,
                   {image().guest_page(5, 0x20041).ept_page(0x20, 4), shadow_stacks},
                   request(AccessKind::kShadowStackRead)});

  const Context wide = context_with([](Context& c) { c.cpu.maxphyaddr = 52; });
  cases.push_back(
      {Reason::kEptAddressTooWide, {image().guest_page(5, 1ull << 48 | 0x20007), wide}});
  cases.push_back({Reason::kEptAddressTooWide,
                   {image(), wide},
                   {.address = 1ull << 48 | 0x20000, .linear = false}});
}

void add_ept_rights(std::vector<Case>& cases) {
  const Context plain = context();
  const Context flags = context_with([](Context& c) { c.eptp |= 1 << 6; });
  cases.push_back({Reason::kEptNotReadable, {image().ept_page(0x20, 4), plain}});
  cases.push_back({Reason::kEptNotReadable,
                   {image().store(0x2000, 0x3004), plain},
                   {.address = 0x5000},
                   Reason::kEptNotWritable});
  cases.push_back({Reason::kEptNotWritable, {image().ept_page(0x20, 5), plain}, request(kWrite)});
  cases.push_back({Reason::kEptNotWritable, {image().ept_page(0x20, 4), plain}, request(kWrite)});
  cases.push_back({Reason::kEptNotWritable, {image().ept_page(0x13, 5), plain}});
  cases.push_back({Reason::kEptNotWritable, {image().ept_page(0x13, 1), flags}});
  const Context paging_write = context_with([](Context& c) { c.controls.paging_write = true; });
  cases.push_back({Reason::kEptNotWritable, {image().ept_page(0x13, 5), paging_write}});
  cases.push_back({Reason::kEptNotWritable,
                   {image().ept_page(0x10, kPagingWrite | 5).store(0x3000, 0x4005), paging_write}});
  cases.push_back({Reason::kEptNotExecutable, {image().ept_page(0x20, 3), plain}, request(kFetch)});
  const Context mode_based = context_with([](Context& c) { c.controls.mode_based_execute = true; });
  cases.push_back({Reason::kEptNotExecutable, {image(), mode_based}, request(kFetch)});
  cases.push_back({Reason::kEptNotExecutable,
                   {image().guest_page(5, 0x20003).ept_page(0x20, 0x403), mode_based},
                   request(kFetch)});
  const Context no_paging = context_with([](Context& c) {
    c.cr0 = 1;
    c.cr4 = c.efer = 0;
    c.controls.mode_based_execute = true;
  });
  cases.push_back({Reason::kEptNotExecutable, {image(), no_paging}, request(kFetch)});

  const Context verifying = context_with(
      [](Context& c) { c.controls.paging_write = c.controls.guest_paging_verification = true; });
  cases.push_back(
      {Reason::kEptPagingVerification,
       {image().ept_page(0x20, kVerify | 7).ept_page(0x12, kPagingWrite | 7), verifying}});
  Context hlat = verifying;
  hlat.controls.hlat = true;
  hlat.hlat_pointer = 0x10000;
  cases.push_back({Reason::kEptPagingVerification, {image().ept_page(0x20, kVerify | 7), hlat}});
  // The HLAT tables' only entry restarts, so those that CR3 leads to are what counts.
  hlat.hlat_pointer = 0x14000;
  cases.push_back({Reason::kEptPagingVerification,
                   {image().ept_page(0x20, kVerify | 7).store(0x14000, 1 << 11 | 0x15001), hlat}});
}

void add_misconfigurations(std::vector<Case>& cases) {
  const Context plain = context();
  const Context no_execute_only = context_with([](Context& c) { c.cpu.execute_only = false; });
  for (const std::uint64_t bits : {2, 6}) {
    for (const AccessKind access : {kRead, kWrite}) {
      cases.push_back(
          {Reason::kEptWriteWithoutRead, {image().ept_page(0x20, bits), plain}, request(access)});
      cases.push_back({Reason::kEptWriteWithoutRead,
                       {image().ept_page(0x20, bits), no_execute_only},
                       request(access)});
    }
  }
  cases.push_back(
      {Reason::kEptWriteWithoutRead, {image().ept_page(0x20, 6), plain}, request(kFetch)});
  cases.push_back({Reason::kEptWriteWithoutRead,
                   {image().ept_page(0x20, 6), no_execute_only},
                   request(kFetch)});
  cases.push_back({Reason::kEptExecuteOnlyUnsupported,
                   {image().ept_page(0x20, 4), no_execute_only},
                   request(kFetch)});
  const Context paging_write = context_with([](Context& c) { c.controls.paging_write = true; });
  for (const AccessKind access : {kRead, kFetch}) {
    cases.push_back({Reason::kEptPagingWriteWithoutRead,
                     {image().ept_page(0x20, kPagingWrite | 4), paging_write},
                     request(access)});
  }
  cases.push_back({Reason::kEptReservedBit, {image().ept_page(0x20, 5ull << 48 | 7), plain}});
  cases.push_back({Reason::kEptReservedBit, {image().store(0x3000, 0x4007 | 0x28), plain}});
  cases.push_back({Reason::kEptReservedBit, {image().store(0x1000, 0x2087), plain}});
  cases.push_back({Reason::kEptReservedBit, {image().store(0x3000, 0x20b7), plain}});
  cases.push_back({Reason::kEptMemoryType,
                   {image().ept_page(0x20, 0).store(0x4100, 0x20000 | 2 << 3 | 7), plain}});
}

void add_log_and_sub_pages(std::vector<Case>& cases) {
  cases.push_back({Reason::kPmlIndex, {image(), context_with([](Context& c) {
                                         c.eptp |= 1 << 6;
                                         c.controls.pml = true;
                                         c.pml_address = 0x30000;
                                         c.pml_index = 0xffff;
                                       })}});
  const Context sub_pages = context_with([](Context& c) {
    c.controls.sub_page_permission = true;
    c.sppt_pointer = 0x31000;
  });
  const WalkImage tables = image()
                               .ept_page(0x20, kSpp | 5)
                               .store(0x31000, 0x32001)
                               .store(0x32000, 0x33001)
                               .store(0x33000, 0x34001)
                               .store(0x34100, 0x15);
  Request wide = request(kWrite, false, 0x51fc);  // sub-pages 3 and 4
  wide.size = 8;
  cases.push_back({Reason::kEptNotWritable, {tables, sub_pages}, wide});
  cases.push_back(
      {Reason::kSppMiss, {WalkImage(tables).store(0x33000, 0x34000), sub_pages}, request(kWrite)});
  for (const auto& [address, value] : {std::pair{0x34100u, 0x8017ull},
                                       {0x32000u, 0x33003ull},
                                       {0x31000u, 0x4000'0000'0003'2401}}) {
    cases.push_back({Reason::kSppMisconfiguration,
                     {WalkImage(tables).store(address, value), sub_pages},
                     request(kWrite)});
  }
}

}  // namespace

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  add_linear_addresses(cases);
  add_guest_entries(cases);
  add_keys_and_shadow_stacks(cases);
  add_ept_not_present(cases);
  add_ept_rights(cases);
  add_misconfigurations(cases);
  add_log_and_sub_pages(cases);
  return cases;
}

}  // namespace eptsim::sim::test
