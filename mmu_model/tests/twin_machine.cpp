#include "mmu_model/tests/twin_machine.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace eptsim::mmu::test {

using namespace twin;

namespace {

constexpr std::uint64_t kExceptionInformation = 0x8000;

/// All that an outcome says, but for what a cache may know less of than memory says: rights not
/// asked for and dirty flags, which may have been gained since.
std::string summary(Outcome outcome) {
  if (outcome.kind == OutcomeKind::kTranslated) {
    outcome.guest_rights = {};
    outcome.ept_rights = {};
    outcome.dirty = outcome.shadow_stack = false;
  }
  outcome.qualification &= ~(std::uint64_t{3} << 10);  // the guest's rights
  return describe(outcome);
}

}  // namespace

TwinMachine::TwinMachine(std::uint64_t seed, const CacheSettings& settings)
    : random_(seed), caches_(settings, seed) {
  base_.cr0 = 0x8001'0001;
  base_.cr4 = 0x2'00a0;  // PAE, PGE, PCIDE
  base_.efer = 0xd00;
  base_.cpu.advanced_exit_info = random_.one_in(2);
  base_.controls.mode_based_execute = random_.one_in(2);
  globals_ = random_.one_in(2);
  base_.controls.pml = !globals_ && random_.one_in(2);
  base_.pml_address = 0x7000;
  // Guest rights gained without an invalidation may still be reported as they were, and so be
  // written to the exception's information area.
  base_.controls.ept_violation_ve = !base_.cpu.advanced_exit_info && random_.one_in(2);
  base_.ve_info_address = kExceptionInformation;
  base_.controls.sub_page_permission = random_.one_in(2);
  base_.sppt_pointer = 0xa000;
  base_.controls.paging_write = random_.one_in(2);
  base_.controls.guest_paging_verification = base_.controls.paging_write && random_.one_in(2);
  for (const unsigned bit : {20u, 21u, 22u, 24u}) {  // SMEP, SMAP, PKE, PKS
    if (random_.one_in(3)) base_.cr4 |= 1ull << bit;
  }
  build();
  uncached_ = memory_;
}

void TwinMachine::step() {
  const std::uint64_t kind = random_.below(100);
  if (kind < 87) {
    access();
  } else if (kind < 88) {
    store(kExceptionInformation, 0);  // the guest has handled its virtualization exception
  } else if (kind < 92) {
    change_space();
  } else if (kind < 96) {
    change_guest_tables();
  } else {
    change_ept();
  }
}

void TwinMachine::build() {
  for (unsigned ept = 0; ept < 2; ++ept) {
    ept_root_[ept] = host_frame();
    map_ept(ept, kTables, kTables + kTablesOffset, ept == 1);
    // The first data region in 2 MiB pages of EPT 0, the second in those of EPT 1.
    for (unsigned region = 0; region < 2; ++region) {
      const std::uint64_t gpa = kData + region * k2M;
      map_ept(ept, gpa, gpa + kDataOffset[ept], region == ept);
    }
    map_ept(ept, 0, kDataOffset[ept], false);  // the linear addresses of a guest without paging
  }
  // Sub-page permissions of 16 pages of each data region; elsewhere there is no table.
  put(0xa000, 0xb001);
  put(0xb010, 0xc001);
  for (std::uint64_t region = 0; region < 2; ++region) {
    put(0xc000 + region * 8, (0xd000 + region * k4K) | 1);
    for (std::uint64_t page = 0; page < 16; ++page) {
      put(0xd000 + region * k4K + page * 8, random_.next() & 0x5555'5555'5555'5555);
    }
  }
  const auto add = [&](Space space, const Space* shares) {
    space.root = new_table(space.native);
    if (shares != nullptr) {
      const std::uint64_t top = index(kShared, 4);
      put(host(space, space.root) + top, memory_.at(host(space, shares->root) + top));
    }
    for (const std::uint64_t linear : kLinear) {
      if (shares == nullptr || !is_shared(linear)) map(space, linear);
    }
    if (shares == nullptr) {
      const std::uint64_t entry = host(space, space.root) + index(kShared, 4);
      put(entry, memory_.at(entry) | kA);
    }
    spaces_.push_back(space);
  };
  for (const std::uint16_t vpid : {std::uint16_t{1}, std::uint16_t{2}}) {
    add({.vpid = vpid, .pcid = 0}, nullptr);
    const Space first = spaces_.back();
    add({.vpid = vpid, .pcid = 1}, &first);
  }
  add({.vpid = 0, .pcid = 0, .native = true}, nullptr);
  add({.vpid = 0, .pcid = 0}, nullptr);  // a guest without a VPID of its own
  spaces_.push_back({.vpid = 3, .paging = false});
}

std::uint64_t TwinMachine::new_table(bool native) {
  return native ? host_frame() : kTables + (guest_tables_++) * k4K;
}

void TwinMachine::map(const Space& space, std::uint64_t linear) {
  const unsigned leaf = is_large(linear) ? 2 : 1;
  std::uint64_t table = host(space, space.root);
  for (unsigned level = 4; level > leaf; --level) {
    const std::uint64_t entry = table + index(linear, level);
    if (memory_.at(entry) == 0) put(entry, new_table(space.native) | kP | kGuestW | kU);
    table = host(space, memory_.at(entry) & kFrame);
  }
  put(table + index(linear, leaf),
      frame_for(space, leaf) | kP | kGuestW | kU | (leaf == 2 ? kLarge : 0) |
          (globals_ && is_shared(linear) && random_.one_in(2) ? kGlobal : 0));
}

std::uint64_t TwinMachine::frame_for(const Space& space, unsigned leaf) {
  const std::uint64_t offset = space.native ? kDataOffset[0] : 0;
  if (leaf == 2) return offset + kData + random_.below(2) * k2M;
  return offset + kData + random_.below(2) * k2M + random_.below(16) * k4K;
}

void TwinMachine::map_ept(unsigned ept, std::uint64_t gpa, std::uint64_t hpa, bool large) {
  std::uint64_t table = ept_root_[ept];
  const std::uint64_t rights = kR | kW | kX | kXu;
  for (unsigned level = 4; level > (large ? 2u : 1u); --level) {
    const std::uint64_t entry = table + index(gpa, level);
    if (memory_.at(entry) == 0) put(entry, host_frame() | rights);
    table = memory_.at(entry) & kFrame;
  }
  if (large) {
    put(table + index(gpa, 2), hpa | rights | kTypeWb | kLarge);
    return;
  }
  for (std::uint64_t page = 0; page < 64; ++page) {
    put(table + page * 8, (hpa + page * k4K) | rights | kTypeWb);
  }
}

Context TwinMachine::context() const {
  const Space& space = spaces_[space_];
  Context raw = base_;
  raw.vpid = space.vpid;
  raw.ept_enabled = !space.native;
  raw.eptp = space.native ? 0 : ept_root_[ept_] | 0x1e | (ept_ == 0 && !globals_ ? 0x40 : 0);
  raw.cr3 = space.root | space.pcid;
  if (!space.paging) {
    raw.cr0 = 1;
    raw.cr4 = 0;
    raw.efer = 0;
  }
  if (space.native) raw.controls = {};
  if (!raw.controls.pml) return raw;
  raw.pml_index = pml_index_;
  return raw;
}

void TwinMachine::access() {
  const Space& space = spaces_[space_];
  static constexpr AccessKind kKinds[] = {AccessKind::kRead, AccessKind::kRead, AccessKind::kWrite,
                                          AccessKind::kFetch, AccessKind::kReadModifyWrite};
  Request request{.address = random_.any(kLinear) + random_.below(512) * 8,
                  .access = random_.any(kKinds),
                  .user = !random_.one_in(4),
                  .size = 8};
  if (!space.paging) request.address = random_.below(64) * k4K;
  if (!space.native && random_.one_in(12)) {
    request.linear = request.user = false;
    request.address = kData + random_.below(2) * k2M + random_.below(64) * k4K;
  }
  const WalkContext where(context());
  NoRecording nothing;
  const TranslateResult expected = translate(where, request, uncached_, nothing);
  const TranslationCaches::Answer got = caches_.translate(where, request, memory_, nothing);
  ASSERT_EQ(summary(got.outcome), summary(expected.outcome))
      << std::hex << request.address << " space " << space_ << " EPT " << ept_;
  if (where.raw.controls.pml) {
    pml_index_ = got.outcome.kind == OutcomeKind::kPmlFull ? 511 : got.pml_index;
  }
  // Comparing both memories whole at every step would be most of the test's time.
  if (++accesses_ % 8 == 0) {
    ASSERT_EQ(first_difference(), "") << "space " << space_ << " EPT " << ept_;
  }
  ++(got.outcome.kind == OutcomeKind::kTranslated ? translated : refused);
  tlb_hits += got.tlb_hit;
  shorter_walks += !got.tlb_hit && got.references < expected.references;
}

std::string TwinMachine::first_difference() const {
  if (memory_.words == uncached_.words) return {};
  std::ostringstream text;
  for (const auto& [address, value] : memory_.words) {
    if (value == uncached_.at(address)) continue;
    text << std::hex << address << ": " << value << " for " << uncached_.at(address) << "; ";
  }
  return text.str();
}

}  // namespace eptsim::mmu::test
