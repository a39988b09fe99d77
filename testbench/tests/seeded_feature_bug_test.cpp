#include <gtest/gtest.h>

#include <bit>
#include <ostream>
#include <tuple>

#include "ept/arch/ept_entry.hpp"
#include "ept/arch/fault.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/registers.hpp"
#include "testbench/scoreboard/cross_check.hpp"
#include "testbench/scoreboard/mismatch_text.hpp"
#include "testbench/scoreboard/walk_order.hpp"
#include "testbench/tests/mutant_walker.hpp"

/// Tests of the test, for the features that the RTL has not: a step machine with a bug on purpose,
/// and an oracle. Each is found, and the shrunk case shows it still.
namespace eptsim::tb {
namespace {

using mmu::OutcomeKind;
using mmu::Reason;
using mmu::TranslateResult;

constexpr std::uint64_t kSeed = 4;
constexpr std::uint64_t kEnough = 60'000;  ///< walks in which each bug must show

/// What memory holds now, for a walk that only finds out: nobody sees its reads and writes.
class Copy final : public arch::PhysicalMemory {
 public:
  explicit Copy(arch::PhysicalMemory& memory)
      : words_(dynamic_cast<SharedMemory&>(memory).words()) {}
  std::uint64_t read64(arch::Hpa address) const override { return words_.read64(address); }
  void write64(arch::Hpa address, std::uint64_t value) override { words_.write64(address, value); }
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override {
    return words_.compare_exchange64(address, expected, desired);
  }

 private:
  SparseMemory words_;
};

/// Memory of which one word is read as something else.
class Misread final : public arch::PhysicalMemory {
 public:
  Misread(arch::PhysicalMemory& memory, std::uint64_t address, std::uint64_t value)
      : memory_(memory), address_(address), value_(value) {}
  std::uint64_t read64(arch::Hpa address) const override {
    const std::uint64_t value = memory_.read64(address);
    return address.value() == address_ ? value_ : value;
  }
  void write64(arch::Hpa address, std::uint64_t value) override { memory_.write64(address, value); }
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override {
    return memory_.compare_exchange64(address, expected, desired);
  }

 private:
  arch::PhysicalMemory& memory_;
  std::uint64_t address_;
  std::uint64_t value_;
};

/// What a walk is given, and what it says.
struct Run {
  mmu::Context context;
  mmu::Request request;
  arch::PhysicalMemory& memory;
  mmu::Recording& recording;

  TranslateResult make() const { return make_in(memory, recording); }
  TranslateResult make_in(arch::PhysicalMemory& in, mmu::Recording& references) const {
    mmu::WalkContext walk(context);
    mmu::load_pdptes(walk, Copy(memory));
    return mmu::translate(walk, request, in, references);
  }
  /// The same, without effect.
  TranslateResult tried(mmu::Recording& references) const {
    Copy copy(memory);
    return make_in(copy, references);
  }
  /// With `value` where `address` is read; the references say what was there.
  TranslateResult misreading(std::uint64_t address, std::uint64_t truth, std::uint64_t value) {
    Misread misread(memory, address, value);
    TranslateResult result = make_in(misread, recording);
    for (mmu::Reference& reference : recording.references) {
      if (reference.address == address) reference.value = truth;
    }
    return result;
  }
};

using Bug = TranslateResult (*)(Run);

/// A rule that reads the context wrongly. Walks that have nothing to do with it stay as they are.
template <auto change>
TranslateResult with_context(Run run) {
  change(run.context);
  return run.make();
}

template <auto change>
TranslateResult with_answer(Run run) {
  TranslateResult result = run.make();
  change(result, run.context);
  return result;
}

void drop_pml(mmu::Context& c) { c.controls.pml = false; }
void drop_pml_limit(mmu::Context& c) {
  if (c.controls.pml) c.pml_index &= 511;
}
void drop_sub_pages(mmu::Context& c) { c.controls.sub_page_permission = false; }
void drop_ve(mmu::Context& c) { c.controls.ept_violation_ve = false; }
void drop_ve_index(mmu::Context& c) { c.eptp_index = 0; }
void drop_hlat(mmu::Context& c) { c.controls.hlat = false; }
void drop_hlat_prefix(mmu::Context& c) { c.hlat_prefix_size = 0; }
void always_hlat_prefix(mmu::Context& c) { c.hlat_prefix_size |= 1; }
void drop_hlat_types(mmu::Context& c) { c.hlat_pointer &= ~std::uint64_t{0x18}; }
void drop_paging_write(mmu::Context& c) { c.controls.paging_write = false; }
void drop_verification(mmu::Context& c) { c.controls.guest_paging_verification = false; }
void verify_alone(mmu::Context& c) {
  if (c.controls.guest_paging_verification) c.controls.paging_write = true;
}
void drop_shadow_stack_control(mmu::Context& c) {
  c.eptp &= ~arch::eptp::kSupervisorShadowStack.mask();
}
void drop_page_size_extension(mmu::Context& c) { c.cr4 &= ~arch::cr4::kPse.mask(); }
void force_page_size_extension(mmu::Context& c) { c.cr4 |= arch::cr4::kPse.mask(); }
void swap_pdptes(mmu::Context& c) {
  if (c.pdptes) std::swap((*c.pdptes)[1], (*c.pdptes)[2]);
}
void move_pdptes_in_memory(mmu::Context& c) {
  // The address in CR3 has 32 bytes of alignment, not 4096.
  if (!c.ept_enabled) c.cr3 &= ~std::uint64_t{0xfe0};
}

/// The PML index does not wrap around.
void stick_at_zero(TranslateResult& result, const mmu::Context& context) {
  if (context.pml_index < 512 && result.pml_index == 0xffff) result.pml_index = 0;
}
void drop_pse36(TranslateResult& result, const mmu::Context&) {
  if (result.outcome.guest_page_size == arch::PageSize::k4M) result.outcome.gpa &= 0xffff'ffff;
}
void report_4m_as_2m(TranslateResult& result, const mmu::Context&) {
  if (result.outcome.guest_page_size == arch::PageSize::k4M) {
    result.outcome.guest_page_size = arch::PageSize::k2M;
  }
}
template <unsigned bit, OutcomeKind kind>
void drop_qualification(TranslateResult& result, const mmu::Context&) {
  if (result.outcome.kind == kind) result.outcome.qualification &= ~(std::uint64_t{1} << bit);
}
void drop_hlat_error(TranslateResult& result, const mmu::Context&) {
  result.outcome.error_code &= ~static_cast<std::uint32_t>(arch::error_code::kHlat.mask());
}
void drop_shadow_stack_error(TranslateResult& result, const mmu::Context&) {
  result.outcome.error_code &= ~static_cast<std::uint32_t>(arch::error_code::kShadowStack.mask());
}
void misplace_second(TranslateResult& result, const mmu::Context&) {
  if (result.second) result.second->hpa ^= 0x1000;
}
void mistype_second(TranslateResult& result, const mmu::Context&) {
  if (result.second) result.second->memory_type = result.outcome.memory_type;
}
void cover_a_restart(TranslateResult& result, const mmu::Context& context) {
  if (context.controls.hlat && result.outcome.guest_page_size) {
    result.outcome.page_size =
        result.outcome.ept_page_size
            ? arch::smaller(*result.outcome.guest_page_size, *result.outcome.ept_page_size)
            : *result.outcome.guest_page_size;
  }
}

/// Of an access to two pages, the upper is never looked at.
TranslateResult forget_the_upper_page(Run run) {
  const unsigned room = 4096 - static_cast<unsigned>(run.request.address & 4095);
  if (run.request.size > room) run.request.size = static_cast<std::uint8_t>(room);
  return run.make();
}

/// A failure of the upper page is told with the address of the lower.
TranslateResult name_the_lower_page(Run run) {
  TranslateResult result = run.make();
  if (result.address != run.request.address) result.address = run.request.address;
  return result;
}

/// The vector's bit for the sub-page before is the one that counts.
TranslateResult sub_page_off_by_one(Run run) {
  mmu::Recording references;
  run.tried(references);
  for (const mmu::Reference& reference : references.references) {
    if (reference.place.spp_level != 1) continue;
    return run.misreading(reference.address, reference.value, std::rotl(reference.value, 2));
  }
  return run.make();
}

/// A write that touches several sub-pages needs only the first.
TranslateResult first_sub_page_alone(Run run) {
  const bool crosses = (run.request.address & 4095) + run.request.size > 4096;
  if (!crosses && run.context.controls.sub_page_permission) run.request.size = 1;
  return run.make();
}

/// Rights that the HLAT tables gave outlive a restart.
TranslateResult restart_keeps_rights(Run run) {
  TranslateResult result = run.make();
  bool writable = true;
  bool restarted = false;
  for (const mmu::Reference& reference : run.recording.references) {
    if (reference.place.ept_level != 0 || reference.place.guest_level == 0) continue;
    if (reference.place.hlat) {
      writable = writable && arch::guest_entry::kWritable.any(reference.value);
    } else {
      restarted = true;
    }
  }
  if (restarted && !writable && result.outcome.kind == OutcomeKind::kTranslated &&
      arch::is_write(run.request.access) && run.request.user) {
    result.outcome = {.kind = OutcomeKind::kPageFault, .error_code = 7};
  }
  return result;
}

/// Guest-paging verification does not look at the page of the last table.
TranslateResult verification_ignores_a_level(Run run) {
  mmu::Recording references;
  if (run.tried(references).outcome.reason != Reason::kEptPagingVerification) return run.make();
  bool others_verified = true;
  for (std::size_t i = 0; i + 1 < references.references.size(); ++i) {
    const mmu::Reference& leaf = references.references[i];
    const bool maps_entry = references.references[i + 1].place.is_guest_entry();
    if (!maps_entry || leaf.place.guest_level == 1) continue;
    others_verified = others_verified && arch::ept_entry::kPagingWriteAccess.any(leaf.value);
  }
  if (others_verified) run.context.controls.guest_paging_verification = false;
  return run.make();
}

/// An information area in use is written all the same.
TranslateResult exception_while_busy(Run run) {
  mmu::Recording references;
  const bool violation = run.tried(references).outcome.kind == OutcomeKind::kEptViolation;
  if (!violation || !run.context.controls.ept_violation_ve) return run.make();
  const arch::Hpa area(run.context.ve_info_address);
  run.memory.write64(area, run.memory.read64(area) & 0xffff'ffff);
  return run.make();
}

/// PAE entries have no reserved bits 62:52.
TranslateResult pae_without_reserved_bits(Run run) {
  mmu::Recording references;
  const auto outcome = run.tried(references).outcome;
  if (outcome.reason != Reason::kGuestReservedBit || arch::efer::kLma.any(run.context.efer) ||
      (outcome.entry & 0x7ff0'0000'0000'0000) == 0 || !arch::cr4::kPae.any(run.context.cr4)) {
    return run.make();
  }
  return run.misreading(outcome.entry_address, outcome.entry,
                        outcome.entry & ~0x7ff0'0000'0000'0000ull);
}

/// A log entry is written where the index says, after it was counted down.
TranslateResult log_after_counting(Run run) {
  if (run.context.controls.pml && run.context.pml_index < 512) {
    run.context.pml_address -= 8 * (run.context.pml_index > 0 ? 1 : 0);
  }
  return run.make();
}

struct FeatureBug {
  const char* name;
  Bug bug;
};

void PrintTo(const FeatureBug& bug, std::ostream* out) { *out << bug.name; }

Voices with_step_machine(Bug bug) {
  Voices voices = built_voices();
  voices.device.reset();
  voices.step_machine = [bug](const mmu::WalkContext& context, const mmu::Request& request,
                              arch::PhysicalMemory& memory, mmu::Recording& recording) {
    return bug({context.raw, request, memory, recording});
  };
  return voices;
}

/// The mismatch, and what is true of each: a replay shows it, and so does the shrunk case.
Mismatch found(const std::function<Voices()>& voices) {
  // The oracle judges no walk in whose middle memory changes.
  Features features;
  features.drop(Feature::kStores);
  CrossCheck check(voices(), kSeed, features);
  std::optional<Mismatch> mismatch = check.run(kEnough);
  if (!mismatch) {
    ADD_FAILURE() << "the bug was not found";
    return {};
  }
  testing::Test::RecordProperty("walks", static_cast<int>(mismatch->number + 1));
  CrossCheck again(voices(), kSeed, features);
  const auto replayed = again.replay(mismatch->number);
  EXPECT_TRUE(replayed && replayed->finding.differences == mismatch->finding.differences);
  if (mismatch->smallest) {
    EXPECT_LE(mismatch->smallest->image.size(), mismatch->test.image.size());
    EXPECT_TRUE(Judge(voices()).check_alone(*mismatch->smallest));
  }
  return std::move(*mismatch);
}

class BugOfAFeature : public testing::TestWithParam<FeatureBug> {};

TEST_P(BugOfAFeature, IsFound) {
  const Mismatch mismatch = found([] { return with_step_machine(GetParam().bug); });
  // Rights of a translation are told by the walkers alone.
  const auto& [expected, got] = std::tie(mismatch.finding.expected, mismatch.finding.got);
  EXPECT_TRUE((expected == "oracle" && got == "step machine") ||
              (expected == "step machine" && got == "clocked model"));
}

constexpr auto kViolation = OutcomeKind::kEptViolation;

INSTANTIATE_TEST_SUITE_P(
    SeededBug, BugOfAFeature,
    testing::Values(
        FeatureBug{"PmlOff", with_context<drop_pml>},
        FeatureBug{"PmlNeverFull", with_context<drop_pml_limit>},
        FeatureBug{"PmlIndexDoesNotWrap", with_answer<stick_at_zero>},
        FeatureBug{"PmlLogsAfterCounting", log_after_counting},
        FeatureBug{"SubPagesOff", with_context<drop_sub_pages>},
        FeatureBug{"SubPageOffByOne", sub_page_off_by_one},
        FeatureBug{"SubPageOfTheFirstByteAlone", first_sub_page_alone},
        FeatureBug{"SubPageMissUntold",
                   with_answer<drop_qualification<11, OutcomeKind::kSppEvent>>},
        FeatureBug{"ExceptionsOff", with_context<drop_ve>},
        FeatureBug{"ExceptionIndexLost", with_context<drop_ve_index>},
        FeatureBug{"ExceptionWhileBusy", exception_while_busy},
        FeatureBug{"HlatOff", with_context<drop_hlat>},
        FeatureBug{"HlatPrefixIgnored", with_context<drop_hlat_prefix>},
        FeatureBug{"HlatPrefixAlways", with_context<always_hlat_prefix>},
        FeatureBug{"HlatRestartKeepsRights", restart_keeps_rights},
        FeatureBug{"HlatRestartCoversThePage", with_answer<cover_a_restart>},
        FeatureBug{"HlatErrorBitLost", with_answer<drop_hlat_error>},
        FeatureBug{"PagingWriteOff", with_context<drop_paging_write>},
        FeatureBug{"VerificationOff", with_context<drop_verification>},
        FeatureBug{"VerificationWithoutPagingWrite", with_context<verify_alone>},
        FeatureBug{"VerificationIgnoresALevel", verification_ignores_a_level},
        FeatureBug{"VerificationUntold", with_answer<drop_qualification<15, kViolation>>},
        FeatureBug{"ShadowStackControlOff", with_context<drop_shadow_stack_control>},
        FeatureBug{"ShadowStackUntold", with_answer<drop_qualification<13, kViolation>>},
        FeatureBug{"ShadowStackPageUntold", with_answer<drop_qualification<14, kViolation>>},
        FeatureBug{"ShadowStackErrorBitLost", with_answer<drop_shadow_stack_error>},
        FeatureBug{"PseIgnored", with_context<drop_page_size_extension>},
        FeatureBug{"PseForced", with_context<force_page_size_extension>},
        FeatureBug{"Pse36BitsDropped", with_answer<drop_pse36>},
        FeatureBug{"Page4MTakenFor2M", with_answer<report_4m_as_2m>},
        FeatureBug{"PdptesSwapped", with_context<swap_pdptes>},
        FeatureBug{"PdptesInMemoryMisaligned", with_context<move_pdptes_in_memory>},
        FeatureBug{"PaeReservedBitsIgnored", pae_without_reserved_bits},
        FeatureBug{"UpperPageForgotten", forget_the_upper_page},
        FeatureBug{"UpperPageMisplaced", with_answer<misplace_second>},
        FeatureBug{"UpperPageMistyped", with_answer<mistype_second>},
        FeatureBug{"UpperPageNamedWrongly", name_the_lower_page}),
    [](const auto& bug) { return std::string(bug.param.name); });

Voices with_oracle(
    std::function<oracle::Result(oracle::State, oracle::Access, oracle::Memory)> bug) {
  Voices voices = built_voices();
  voices.device.reset();
  voices.oracle = std::move(bug);
  return voices;
}

TEST(SeededBug, TheMemoryTypeOfHlatTablesIsToldByNobody) {
  // PWT and PCD of the HLAT pointer are of the type with which the first table is read, and make no
  // difference that could be compared: a limit of this test, not of the walkers.
  CrossCheck check(with_step_machine(with_context<drop_hlat_types>), kSeed, {});
  EXPECT_FALSE(check.run(5000));
}

TEST(SeededBug, AnOracleThatFoldsHlatAndGuestTablesIsFound) {
  const Mismatch mismatch = found([] {
    return with_oracle(
        [](const oracle::State& state, const oracle::Access& access, const oracle::Memory& memory) {
          oracle::Result result = oracle::translate(state, access, memory);
          for (oracle::Reference& reference : result.references) {
            if (reference.structure == oracle::Structure::kHlat) {
              reference.structure = oracle::Structure::kGuest;
            }
          }
          return result;
        });
  });
  EXPECT_TRUE(mismatch.finding.differences.front().field.starts_with("references["));
}

TEST(SeededBug, AnOracleThatWritesExceptionInformationInOneSizeIsFound) {
  const Mismatch mismatch = found([] {
    return with_oracle(
        [](const oracle::State& state, const oracle::Access& access, const oracle::Memory& memory) {
          oracle::Result result = oracle::translate(state, access, memory);
          for (oracle::Write& write : result.writes) write.size = 8;
          return result;
        });
  });
  EXPECT_TRUE(mismatch.finding.differences.front().field.starts_with("writes["));
}

TEST(SeededBug, AnEptEntryReadForAnotherGuestEntryThanItSaysIsFoundThoughAllWalkersAgree) {
  const auto lie = [](mmu::Place& place) {
    if (place.ept_level != 0 && place.guest_level == 2) place.guest_level = 3;
  };
  const Mismatch mismatch = found([lie] {
    Voices voices = built_voices();
    voices.device.reset();
    voices.step_machine = [lie](const mmu::WalkContext& context, const mmu::Request& request,
                                arch::PhysicalMemory& memory, mmu::Recording& recording) {
      TranslateResult result = mmu::translate(context, request, memory, recording);
      for (mmu::Reference& reference : recording.references) lie(reference.place);
      lie(result.outcome.place);
      return result;
    };
    voices.model = MutantWalker::of_outputs([lie](mmu::WalkerOutputs& outputs) {
      if (outputs.memory) lie(outputs.memory->place);
      if (outputs.response) lie(outputs.response->outcome.place);
    });
    return voices;
  });
  EXPECT_EQ(mismatch.finding.expected, "the walk's order");
}

/// The oracle has no TLB.
TEST(SeededBug, AnythingToldWronglyForATlbIsFoundThoughAllWalkersAgree) {
  const auto field_with = [](void (*lie)(mmu::Outcome&)) {
    const Mismatch mismatch = found([lie] {
      Voices voices = built_voices();
      voices.device.reset();
      voices.step_machine = [lie](const mmu::WalkContext& context, const mmu::Request& request,
                                  arch::PhysicalMemory& memory, mmu::Recording& recording) {
        TranslateResult result = mmu::translate(context, request, memory, recording);
        lie(result.outcome);
        return result;
      };
      voices.model = MutantWalker::of_outputs([lie](mmu::WalkerOutputs& outputs) {
        if (outputs.response) lie(outputs.response->outcome);
      });
      return voices;
    });
    return mismatch.finding.differences.front().field;
  };
  EXPECT_EQ(field_with([](mmu::Outcome& outcome) { outcome.guest_rights.user = true; }),
            "guest_rights.user, by the entries");
  EXPECT_EQ(field_with([](mmu::Outcome& outcome) { outcome.ept_rights.write = true; }),
            "ept_rights.write, by the entries");
  EXPECT_EQ(field_with([](mmu::Outcome& outcome) { outcome.dirty = true; }),
            "dirty, by the entries");
  EXPECT_EQ(field_with([](mmu::Outcome& outcome) { outcome.shadow_stack = false; }),
            "shadow_stack, by the entries");
}

TEST(SeededBug, AClockedModelThatDoesNotCountTheFirstPageItLogsIsFound) {
  const Mismatch mismatch = found([] {
    Voices voices = built_voices();
    voices.device.reset();
    voices.model = MutantWalker::of_outputs([](mmu::WalkerOutputs& outputs) {
      if (outputs.response && outputs.response->pml_index == 510) {
        outputs.response->pml_index = 511;
      }
    });
    return voices;
  });
  EXPECT_EQ(mismatch.finding.got, "clocked model");
}

}  // namespace
}  // namespace eptsim::tb
