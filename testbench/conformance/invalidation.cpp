#include "mmu_model/caches/invalidation.hpp"

#include <array>

#include "mmu_model/caches/translation_caches.hpp"
#include "testbench/conformance/machine_state.hpp"
#include "testbench/conformance/procedure.hpp"
#include "testbench/stimulus/sparse_memory.hpp"

// What each operation removes of what is cached, and what it must leave: a row an operation, a
// column a mapping.
namespace eptsim::tb::conformance {
namespace {

namespace inv = mmu::invalidation;
using mmu::InvalidationScopes;

enum class Kind : std::uint8_t { kCombined, kLinearAlone, kGuestPhysical };

// VPIDs 1 and 2, and 0 outside; PCIDs 5 and 6; EPTs A and B. Pages 3 and 4 are global.
struct Mapping {
  const char* name;
  Kind kind;
  std::uint16_t vpid;
  std::uint16_t pcid;
  char ept;
  unsigned page;
};
constexpr Mapping kMappings[] = {
    {"combined, VPID 1, PCID 5, EPT A, page 1", Kind::kCombined, 1, 5, 'A', 1},
    {"combined, VPID 1, PCID 5, EPT A, page 2", Kind::kCombined, 1, 5, 'A', 2},
    {"combined, VPID 1, PCID 5, EPT A, global page 3", Kind::kCombined, 1, 5, 'A', 3},
    {"combined, VPID 1, PCID 6, EPT A, page 1", Kind::kCombined, 1, 6, 'A', 1},
    {"combined, VPID 1, PCID 6, EPT A, global page 4", Kind::kCombined, 1, 6, 'A', 4},
    {"combined, VPID 1, PCID 5, EPT B, page 1", Kind::kCombined, 1, 5, 'B', 1},
    {"combined, VPID 2, PCID 5, EPT A, page 1", Kind::kCombined, 2, 5, 'A', 1},
    {"combined, VPID 0, PCID 5, EPT A, page 1", Kind::kCombined, 0, 5, 'A', 1},
    {"linear, VPID 0, PCID 5, page 1", Kind::kLinearAlone, 0, 5, '-', 1},
    {"linear, VPID 0, PCID 6, page 1", Kind::kLinearAlone, 0, 6, '-', 1},
    {"linear, VPID 0, PCID 5, global page 3", Kind::kLinearAlone, 0, 5, '-', 3},
    {"linear, VPID 1, PCID 5, page 1", Kind::kLinearAlone, 1, 5, '-', 1},
    {"guest-physical, EPT A, page 1", Kind::kGuestPhysical, 1, 5, 'A', 1},
    {"guest-physical, EPT A, page 2", Kind::kGuestPhysical, 1, 5, 'A', 2},
    {"guest-physical, EPT B, page 1", Kind::kGuestPhysical, 1, 5, 'B', 1},
};
constexpr std::size_t kColumns = std::size(kMappings);

/// An operation, by a processor that runs VPID 1, PCID 5 and EPT A. "-" must be gone, "+" must be
/// there, "?" may be either: more may always go, but a processor that has a column's tags to tell
/// by can tell.
struct Row {
  const char* operation;
  std::string_view fate;
  InvalidationScopes (*scopes)(const mmu::CurrentTags&, const MachineState&, std::uint64_t ept_b);
};

std::uint64_t page_at(const MachineState& state, unsigned page) {
  return state.linear() + 0x1000 * page;
}

using Tags = const mmu::CurrentTags&;
using State = const MachineState&;

constexpr std::uint64_t kPge = 1U << 7, kSmep = 1U << 20, kPcide = 1U << 17, kPae = 1U << 5;

const Row kRows[] = {
    // clang-format off
    //                                       combined  linear guest-physical
    {"INVLPG of page 1",                     "-++++-++" "+++-" "+++",
     [](Tags t, State s, std::uint64_t) { return inv::invlpg(t, page_at(s, 1)); }},
    {"INVLPG of global page 3",              "++-+++++" "++++" "+++",
     [](Tags t, State s, std::uint64_t) { return inv::invlpg(t, page_at(s, 3)); }},
    {"INVLPG of global page 4 of PCID 6",    "++++-+++" "++++" "+++",
     [](Tags t, State s, std::uint64_t) { return inv::invlpg(t, page_at(s, 4)); }},
    {"INVPCID of page 1, PCID 6",            "+++-++++" "++++" "+++",
     [](Tags t, State s, std::uint64_t) {
       return inv::invpcid(t, mmu::InvpcidType::kAddress, 6, page_at(s, 1)); }},
    {"INVPCID of global page 3, PCID 5",     "++++++++" "++++" "+++",
     [](Tags t, State s, std::uint64_t) {
       return inv::invpcid(t, mmu::InvpcidType::kAddress, 5, page_at(s, 3)); }},
    {"INVPCID of PCID 5",                    "--+++-++" "+++-" "+++",
     [](Tags t, State, std::uint64_t) {
       return inv::invpcid(t, mmu::InvpcidType::kSingle, 5, 0); }},
    {"INVPCID of all with globals",          "------++" "+++-" "+++",
     [](Tags t, State, std::uint64_t) {
       return inv::invpcid(t, mmu::InvpcidType::kAllWithGlobals, 0, 0); }},
    {"INVPCID of all but globals",           "--+-+-++" "+++-" "+++",
     [](Tags t, State, std::uint64_t) {
       return inv::invpcid(t, mmu::InvpcidType::kAllButGlobals, 0, 0); }},
    {"MOV CR3, PCID 5",                      "--+++-++" "+++-" "+++",
     [](Tags t, State, std::uint64_t) { return inv::mov_to_cr3(t, 0x5005, true); }},
    {"MOV CR3, PCID 6",                      "+++-++++" "++++" "+++",
     [](Tags t, State, std::uint64_t) { return inv::mov_to_cr3(t, 0x5006, true); }},
    {"MOV CR3, PCID 6, bit 63",              "++++++++" "++++" "+++",
     [](Tags t, State, std::uint64_t) {
       return inv::mov_to_cr3(t, 0x5006 | std::uint64_t{1} << 63, true); }},
    {"MOV CR4, PGE changes",                 "------++" "+++-" "+++",
     [](Tags t, State, std::uint64_t) { return inv::mov_to_cr4(t, kPae | kPge, kPae); }},
    {"MOV CR4, PCIDE 1 to 0",                "------++" "+++-" "+++",
     [](Tags t, State, std::uint64_t) { return inv::mov_to_cr4(t, kPae | kPcide, kPae); }},
    {"MOV CR4, SMEP 0 to 1",                 "--?+?-++" "+++-" "+++",
     [](Tags t, State, std::uint64_t) { return inv::mov_to_cr4(t, kPae, kPae | kSmep); }},
    {"MOV CR4, SMEP 1 to 0",                 "++++++++" "++++" "+++",
     [](Tags t, State, std::uint64_t) { return inv::mov_to_cr4(t, kPae | kSmep, kPae); }},
    {"MOV CR0, PG 1 to 0",                   "------++" "+++-" "+++",
     [](Tags t, State, std::uint64_t) { return inv::mov_to_cr0(t, 0x80000001, 1); }},
    {"page fault at page 1",                 "-++++-++" "+++-" "+++",
     [](Tags t, State s, std::uint64_t) { return inv::page_fault(t, page_at(s, 1)); }},
    {"EPT violation of page 1",              "-+++++++" "++++" "-++",
     [](Tags t, State s, std::uint64_t) {
       return inv::ept_violation(t, page_at(s, 1), s.gpa() + 0x1000); }},
    {"VM entry or exit without VPID",        "+++++++-" "---+" "+++",
     [](Tags, State, std::uint64_t) { return inv::vm_transition(false); }},
    {"VM entry or exit with VPID",           "++++++++" "++++" "+++",
     [](Tags, State, std::uint64_t) { return inv::vm_transition(true); }},
    {"INVVPID of page 1, VPID 1",            "-++-+-++" "+++-" "+++",
     [](Tags, State s, std::uint64_t) {
       return inv::invvpid(mmu::InvvpidType::kAddress, 1, page_at(s, 1)); }},
    {"INVVPID of global page 3, VPID 1",     "++-+++++" "++++" "+++",
     [](Tags, State s, std::uint64_t) {
       return inv::invvpid(mmu::InvvpidType::kAddress, 1, page_at(s, 3)); }},
    {"INVVPID of VPID 1",                    "------++" "+++-" "+++",
     [](Tags, State, std::uint64_t) {
       return inv::invvpid(mmu::InvvpidType::kSingle, 1, 0); }},
    {"INVVPID of VPID 2",                    "++++++-+" "++++" "+++",
     [](Tags, State, std::uint64_t) {
       return inv::invvpid(mmu::InvvpidType::kSingle, 2, 0); }},
    {"INVVPID of all",                       "-------+" "+++-" "+++",
     [](Tags, State, std::uint64_t) { return inv::invvpid(mmu::InvvpidType::kAll, 0, 0); }},
    {"INVVPID of VPID 1 but globals",        "--+-+-++" "+++-" "+++",
     [](Tags, State, std::uint64_t) {
       return inv::invvpid(mmu::InvvpidType::kSingleButGlobals, 1, 0); }},
    {"INVEPT of EPT A",                      "-----+--" "++++" "--+",
     [](Tags, State s, std::uint64_t) {
       return inv::invept(mmu::InveptType::kSingle, s.context.eptp); }},
    {"INVEPT of EPT A with other low bits",  "-----+--" "++++" "--+",
     [](Tags, State s, std::uint64_t) {
       return inv::invept(mmu::InveptType::kSingle, s.context.eptp ^ 0x40); }},
    {"INVEPT of EPT B",                      "+++++-++" "++++" "++-",
     [](Tags, State, std::uint64_t b) { return inv::invept(mmu::InveptType::kSingle, b); }},
    {"INVEPT of all",                        "--------" "++++" "---",
     [](Tags, State, std::uint64_t b) { return inv::invept(mmu::InveptType::kAll, b); }},
    {"VMFUNC without VPID",                  "+++++++-" "++++" "+++",
     [](Tags, State, std::uint64_t) { return inv::vmfunc_eptp_switch(false); }},
    {"VMFUNC with VPID",                     "++++++++" "++++" "+++",
     [](Tags, State, std::uint64_t) { return inv::vmfunc_eptp_switch(true); }},
    {"reset",                                "--------" "----" "---",
     [](Tags, State, std::uint64_t) { return inv::reset(); }},
    // clang-format on
};

/// Arrays large enough to forget nothing by themselves; the structure caches are off, so that a
/// guest-physical mapping is the nested TLB's or gone.
mmu::CacheSettings settings() {
  mmu::CacheSettings result;
  result.l1d = result.l1i = {.unified = {.entries = 128, .ways = 128}};
  result.nested_tlb = {.entries = 128, .ways = 128};
  return result;
}

/// Tables for pages 0 to 4 with EPTs A and B and without any, in one memory.
class Tables {
 public:
  Tables() {
    open(nested_);
    open(flat_);
    const std::uint64_t root = nested_.context.eptp & ~std::uint64_t{0xfff};
    std::vector<Word> words = nested_.image.words();
    // EPT B is EPT A under another root.
    ept_b_ = (nested_.context.eptp & 0xfff) | kRootB;
    for (const Word& word : nested_.image.words()) {
      if (word.address >= root && word.address < root + 0x1000) {
        words.push_back({kRootB + (word.address - root), word.value});
      }
    }
    for (const Word& word : flat_.image.words()) words.push_back(word);
    memory_.load(words);
  }

  const MachineState& state() const { return nested_; }
  std::uint64_t ept_b() const { return ept_b_; }

  mmu::WalkContext context_of(const Mapping& mapping) const {
    mmu::Context context = mapping.kind == Kind::kLinearAlone ? flat_.context : nested_.context;
    if (mapping.ept == 'B') context.eptp = ept_b_;
    context.vpid = mapping.vpid;
    context.cr3 |= mapping.pcid;
    return mmu::WalkContext(context);
  }

  /// Translates by the mapping if it is there; else fills it.
  bool is_there(const Mapping& mapping, mmu::TranslationCaches& caches) {
    mmu::NoRecording nothing;
    mmu::Request request;
    const bool physical = mapping.kind == Kind::kGuestPhysical;
    request.linear = !physical;
    request.address =
        physical ? nested_.gpa() + 0x1000 * mapping.page : page_at(nested_, mapping.page);
    const auto answer = caches.translate(context_of(mapping), request, memory_, nothing);
    return physical ? answer.references == 0 : answer.tlb_hit;
  }

 private:
  static constexpr std::uint64_t kRootB = 0x35'0000'0000;

  static void open(MachineState& state) {
    state.context.cr4 |= kPge | kPcide;
    for (unsigned page = 1; page <= 4; ++page) {
      const std::uint64_t gpa = state.gpa() + 0x1000 * page;
      if (state.context.ept_enabled) state.map_ept(gpa, state.hpa() + 0x1000 * page, 1);
      state.image.put(state.guest_entry(1) + 8 * page, gpa | (page >= 3 ? 0x167 : 0x67));
    }
  }

  MachineState nested_;
  MachineState flat_{{.ept_levels = 0}};
  std::uint64_t ept_b_ = 0;
  SparseMemory memory_;
};

}  // namespace

void invalidation(const CheckSink& sink) {
  Tables tables;
  const mmu::CurrentTags current = mmu::current_tags(tables.context_of(kMappings[0]));
  for (const Row& row : kRows) {
    for (std::size_t column = 0; column < kColumns; ++column) {
      if (row.fate[column] == '?') continue;
      // Looking fills what isn't there: each look has caches of its own.
      mmu::TranslationCaches caches(settings());
      for (const Mapping& mapping : kMappings) tables.is_there(mapping, caches);
      caches.invalidate(row.scopes(current, tables.state(), tables.ept_b()));
      const bool there = tables.is_there(kMappings[column], caches);
      sink({.name = std::string(row.operation) + ": " + kMappings[column].name,
            .expected = row.fate[column] == '+' ? "there" : "gone",
            .got = there ? "there" : "gone"});
    }
  }
}

}  // namespace eptsim::tb::conformance
