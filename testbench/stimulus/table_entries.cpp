#include <algorithm>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/registers.hpp"
#include "testbench/stimulus/table_builder.hpp"

// What the table builder writes into tables.

namespace eptsim::tb {

namespace {

using namespace arch;

std::uint64_t mask_if(bool condition, BitField field) { return condition ? field.mask() : 0; }

}  // namespace

/// The address of a table or page, with so many bits of offset that are 0.
std::uint64_t TableBuilder::random_frame(unsigned width, unsigned offset_bits) {
  const std::uint64_t address =
      shape_.share_frames ? random_.pick(pool_) : random_address(random_, width);
  return address & bits(width - 1, offset_bits);
}

bool TableBuilder::flag() {
  if (shape_.flags == Shape::Flags::kRandom) return random_.coin();
  return shape_.flags == Shape::Flags::kSet;
}

/// Whether a right is left out.
bool TableBuilder::missing(unsigned one_in) { return !shape_.all_rights && random_.one_in(one_in); }

/// What entries of all modes have: rights, flags, memory type.
std::uint64_t TableBuilder::rights(unsigned level, bool leaf) {
  using namespace guest_entry;
  const bool user = supervisor_level_ == 0 || (level != supervisor_level_ && random_.coin());
  std::uint64_t entry = kPresent.mask() | mask_if(!missing(6), kWritable) |
                        mask_if(user && !missing(12), kUser) | mask_if(flag(), kAccessed) |
                        (random_.next() & (kWriteThrough.mask() | kCacheDisable.mask()));
  if (!leaf) return entry;
  entry |= mask_if(flag(), kDirty) | mask_if(level > 1, kPageSize);
  entry |= random_.next() & (kGlobal.mask() | (level == 1 ? kPat4K : kPatLarge).mask());
  if (shadow_stack_) entry = (entry & ~kWritable.mask()) | kDirty.mask();
  return entry;
}

std::uint64_t TableBuilder::guest_entry(unsigned level, bool leaf, const Tables& tables) {
  using namespace guest_entry;
  const bool nxe = efer::kNxe.any(test_.context.efer);
  const EntryLayout layout = guest_layout(test_.context, shape_.levels, level, leaf);
  std::uint64_t entry = (random_.next() & layout.ignored) | rights(level, leaf) |
                        random_frame(guest_width_, leaf ? offset_bits(shape_.levels, level) : 12);
  entry |= mask_if(nxe && missing(6), kExecuteDisable);
  if (leaf && !shape_.levels.pae) entry |= random_.next() & kProtectionKey.mask();
  if (tables.hlat) {
    entry = (entry & ~kRestart.mask()) | mask_if(level == tables.restart, kRestart);
  }
  return entry;
}

/// Of 32-bit paging. A 4 MiB page has the upper bits of its address in bits 20:13.
std::uint64_t TableBuilder::narrow_entry(unsigned level, bool leaf) {
  const EntryLayout layout = guest_layout(test_.context, shape_.levels, level, leaf);
  const std::uint64_t entry = (random_.next() & layout.ignored) | rights(level, leaf);
  if (!leaf || level == 1) return entry | random_frame(guest_width_, 12);
  const std::uint64_t page = random_frame(std::min(test_.context.cpu.maxphyaddr, 40u), 22);
  return entry | (page & bits(31, 22)) | page >> 32 << 13;
}

std::uint64_t TableBuilder::ept_entry(unsigned level, bool leaf, mmu::Place place) {
  using namespace ept_entry;
  constexpr std::array<std::uint64_t, 5> kTypes{0, 1, 4, 5, 6};
  const mmu::Context& context = test_.context;
  const bool mbe = context.controls.mode_based_execute;
  // Tables of shared frames lie where guest-physical addresses reach.
  const unsigned width = shape_.share_frames ? guest_width_ : context.cpu.maxphyaddr;
  std::uint64_t entry = (random_.next() & ept_layout(context, level, leaf).ignored) |
                        random_frame(width, leaf ? 12 + 9 * (level - 1) : 12);
  if (context.cpu.execute_only && missing(60)) {
    entry |= mbe ? (random_.coin() ? kExecute : kUserExecute).mask() : kExecute.mask();
  } else {
    entry |= kRead.mask() | mask_if(!missing(40), kWrite) | mask_if(!missing(20), kExecute) |
             mask_if(mbe && !missing(20), kUserExecute);
  }
  if ((context.eptp & bits(6, 6)) != 0) {
    entry |= mask_if(flag(), kAccessed) | mask_if(leaf && flag(), kDirty);
  }
  if (!leaf) return entry;
  const bool types = features_.has(Feature::kMemoryTypes);
  entry |= kMemoryType.set(0, types ? random_.pick(kTypes) : 6) |
           mask_if(types && random_.one_in(4), kIgnorePat) | mask_if(level > 1, kPageSize);
  return leaf_controls(entry, level, place.guest_level == 0);
}

/// Bits of a leaf that mean something with a control that is on, and rights that they stand in for.
std::uint64_t TableBuilder::leaf_controls(std::uint64_t entry, unsigned level, bool final) {
  using namespace ept_entry;
  const mmu::Controls& controls = test_.context.controls;
  const auto make = [&](BitField bit, bool value) {
    entry = value ? entry | bit.mask() : entry & ~bit.mask();
  };
  if (controls.ept_violation_ve) make(kSuppressVe, random_.one_in(4));
  if (controls.paging_write && !final) {
    make(kPagingWriteAccess, mostly(12));
    if (random_.one_in(3)) make(kWrite, false);
  }
  if (!final) return entry;
  if (controls.guest_paging_verification) make(kVerify, mostly(3));
  if (eptp::kSupervisorShadowStack.any(test_.context.eptp)) {
    make(kSupervisorShadowStack, mostly(4));
    if (shadow_stack_ && random_.coin()) make(kWrite, false);
  }
  if (controls.sub_page_permission && level == 1) {
    make(kSubpageWritePermission, mostly(8));
    if (mostly(4)) make(kWrite, false);
  }
  return entry;
}

/// SDM tables 31-7 and 31-8. Level 1 is the vector: bit 2*n allows writes to the n-th 128 bytes.
std::uint64_t TableBuilder::sub_page_entry(unsigned level, std::uint64_t gpa, unsigned size) {
  if (level > 1) return random_frame(test_.context.cpu.maxphyaddr, 12) | 1;
  constexpr std::uint64_t kWriteBits = 0x5555'5555'5555'5555;
  std::uint64_t vector = random_.next() & kWriteBits;
  if (mostly(4)) {
    for (std::uint64_t n = gpa >> 7 & 31; n <= ((gpa & 4095) + size - 1) >> 7; ++n) {
      vector |= std::uint64_t{1} << (2 * n);
    }
  }
  return vector;
}

}  // namespace eptsim::tb
