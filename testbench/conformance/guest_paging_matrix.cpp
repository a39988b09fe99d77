#include "testbench/conformance/guest_paging_matrix.hpp"

namespace eptsim::tb::conformance {
namespace {

using arch::Hpa;

constexpr unsigned kWidth = 36;  // bits 36 and 51 are reserved

// Tables, one entry of each in use; the page lies in the second GiB.
constexpr std::uint64_t kAddress = 0x0000'0180'c0a0'5000;
constexpr std::uint64_t kL4 = 0x1000, kL3 = 0x2000, kL2 = 0x3000, kL1 = 0x4000;
constexpr std::uint64_t kEptL4 = 0x8000, kEptL3 = 0x9000;
constexpr std::uint64_t kPage = 0x4000'0000;
constexpr std::uint64_t kMemoryEnd = 0x10000;

constexpr std::uint64_t entry_of(std::uint64_t table, unsigned level) {
  return table + 8 * ((kAddress >> (12 + 9 * (level - 1))) & 0x1ff);
}
constexpr std::uint64_t kL4Entry = entry_of(kL4, 4);
constexpr std::uint64_t kPdpte = entry_of(kL3, 3);
constexpr std::uint64_t kPde = entry_of(kL2, 2);
constexpr std::uint64_t kPte = entry_of(kL1, 1);

constexpr std::uint64_t bit(bool set, unsigned number) {
  return set ? std::uint64_t{1} << number : 0;
}

std::uint64_t flags_of(const PagingCase::Entry& entry) {
  return bit(entry.present, 0) | bit(entry.writable, 1) | bit(entry.user, 2) |
         bit(entry.accessed, 5) | bit(entry.dirty, 6) | bit(entry.bit_36, 36) |
         bit(entry.bit_51, 51) | bit(entry.execute_disable, 63);
}

std::uint64_t pde_of(const PagingCase& c) {
  const std::uint64_t target =
      c.pde_large ? kPage | bit(true, 7) | bit(c.pde_bit_13, 13) | bit(c.key, 59) : kL1;
  return flags_of(c.pde) | target;
}

std::uint64_t pte_of(const PagingCase& c) {
  // Behind a large page there is a page of data, which nobody may read as an entry.
  if (c.pde_large) return 0;
  return flags_of(c.pte) | kPage | bit(c.key, 59);
}

std::uint64_t pdpte_of(const PagingCase& c) { return kL2 | (c.pdpte_read_only ? 0x25 : 0x27); }

PagingCase::Entry entry_from(unsigned bits) {
  return {.present = (bits & 1) != 0,
          .writable = (bits & 2) != 0,
          .user = (bits & 4) != 0,
          .accessed = (bits & 8) != 0,
          .dirty = (bits & 16) != 0,
          .execute_disable = (bits & 32) != 0,
          .bit_51 = (bits & 64) != 0,
          .bit_36 = (bits & 128) != 0};
}

/// Takes digits off a number.
class Digits {
 public:
  explicit Digits(std::uint64_t number) : rest_(number) {}
  unsigned next(unsigned radix) {
    const auto digit = static_cast<unsigned>(rest_ % radix);
    rest_ /= radix;
    return digit;
  }
  bool flag() { return next(2) != 0; }

 private:
  std::uint64_t rest_;
};

std::size_t context_of(const PagingCase& c) {
  return (c.nxe ? 1U : 0U) | (c.wp ? 2U : 0U) | (c.smep ? 4U : 0U) | (c.pke ? 8U : 0U) |
         (c.ad ? 16U : 0U) | (c.wd ? 32U : 0U);
}

mmu::Context context_for(unsigned choice, bool ept) {
  mmu::Context context;
  context.cpu.maxphyaddr = kWidth;
  context.cr0 = 0x80000001 | bit((choice & 2) != 0, 16);
  context.cr3 = kL4;
  context.cr4 = 0x20 | bit((choice & 4) != 0, 20) | bit((choice & 8) != 0, 22);
  context.efer = 0x500 | bit((choice & 1) != 0, 11);
  // Key 1.
  context.pkru = ((choice & 16) != 0 ? 4U : 0U) | ((choice & 32) != 0 ? 8U : 0U);
  context.ept_enabled = ept;
  if (ept) context.eptp = kEptL4 | 0x1e;
  return context;
}

std::string text_of(const PagingCase& c, bool twice) {
  const auto entry = [](const char* what, const PagingCase::Entry& e) {
    std::string text = what;
    text += ':';
    const struct {
      bool set;
      const char* letter;
    } letters[] = {{e.present, " P"},  {e.writable, " W"}, {e.user, " U"},
                   {e.accessed, " A"}, {e.dirty, " D"},    {e.execute_disable, " NX"},
                   {e.bit_51, " 51"},  {e.bit_36, " 36"}};
    for (const auto& letter : letters) {
      if (letter.set) text += letter.letter;
    }
    return text;
  };
  std::string text = entry("PDE", c.pde);
  if (c.pde_large) text += " PSE";
  if (c.pde_bit_13) text += " 13";
  if (!c.pde_large) text += "; " + entry("PTE", c.pte);
  if (c.pdpte_read_only) text += "; PDPTE read-only";
  text += c.key ? "; key 1" : "; key 0";
  if (c.ad) text += ", AD";
  if (c.wd) text += ", WD";
  text += c.user ? "; user " : "; supervisor ";
  text += c.write ? "write" : c.fetch ? "fetch" : "read";
  if (twice) text += " twice";
  if (c.nxe) text += "; NXE";
  if (c.wp) text += "; WP";
  if (c.smep) text += "; SMEP";
  if (c.pke) text += "; PKE";
  return text;
}

}  // namespace

std::uint64_t GuestPagingMatrix::Memory::read64(Hpa address) const {
  return address.value() < kMemoryEnd ? words_[address.value() / 8] : 0;
}

void GuestPagingMatrix::Memory::write64(Hpa address, std::uint64_t value) {
  if (address.value() < kMemoryEnd) words_[address.value() / 8] = value;
}

std::uint64_t GuestPagingMatrix::Memory::compare_exchange64(Hpa address, std::uint64_t expected,
                                                            std::uint64_t desired) {
  const std::uint64_t found = read64(address);
  if (found == expected) write64(address, desired);
  return found;
}

GuestPagingMatrix::GuestPagingMatrix(Ept ept) {
  memory_.write64(Hpa(kL4Entry), kL3 | 0x27);
  memory_.write64(Hpa(kEptL4), kEptL3 | 7);
  for (std::uint64_t gib = 0; gib < 2; ++gib) {
    memory_.write64(Hpa(kEptL3 + 8 * gib), gib << 30 | 0xb7);  // rwx, WB, 1 GiB
  }
  for (unsigned choice = 0; choice < 64; ++choice) {
    contexts_.emplace_back(context_for(choice, ept == Ept::kIdentity));
  }
}

PagingCase GuestPagingMatrix::case_of(std::uint64_t pair) {
  Digits digits(pair);
  PagingCase c{};
  const unsigned access = digits.next(3);
  c.write = access == 1;
  c.fetch = access == 2;
  c.user = digits.flag();
  const unsigned entries = digits.next(256 * 256 + 512);
  if (entries < 256 * 256) {
    c.pte = entry_from(entries % 256);
    c.pde = entry_from(entries / 256);
  } else {
    const unsigned large = entries - 256 * 256;
    c.pde = entry_from(large % 256);
    c.pde_large = true;
    c.pde_bit_13 = large >= 256;
  }
  c.pdpte_read_only = digits.flag();
  c.key = digits.flag();
  c.ad = digits.flag();
  c.wd = digits.flag();
  c.nxe = digits.flag();
  c.wp = digits.flag();
  c.smep = digits.flag();
  c.pke = digits.flag();
  return c;
}

std::vector<Difference> GuestPagingMatrix::judge_answer(const PagingCase& facts,
                                                        const PagingVerdict& verdict) const {
  Differences differences;
  if (answer_.hangs_after != 0) {
    differences.word("response", "one", "none");
    return differences.take();
  }
  const mmu::Outcome& outcome = answer_.outcome;
  const mmu::OutcomeKind kind =
      verdict.fault ? mmu::OutcomeKind::kPageFault : mmu::OutcomeKind::kTranslated;
  if (outcome.kind != kind) {
    differences.word("outcome", mmu::name(kind), mmu::name(outcome.kind));
  } else if (verdict.fault) {
    differences.hex("error code", verdict.error_code, outcome.error_code);
  } else {
    const std::uint64_t gpa = kPage | (facts.pde_large ? kAddress & 0x1f'ffff : kAddress & 0xfff);
    if (answer_.told.gpa) differences.hex("gpa", gpa, outcome.gpa);
    differences.hex("hpa", gpa, outcome.hpa);
  }
  constexpr std::uint64_t kFlags = 0x60;
  const std::uint64_t pde =
      (pde_of(facts) & ~kFlags) | bit(verdict.pde_accessed, 5) | bit(verdict.pde_dirty, 6);
  const std::uint64_t pte =
      facts.pde_large
          ? 0
          : (pte_of(facts) & ~kFlags) | bit(verdict.pte_accessed, 5) | bit(verdict.pte_dirty, 6);
  differences.hex("PML4E", kL3 | 0x27, memory_.read64(Hpa(kL4Entry)));
  differences.hex("PDPTE", pdpte_of(facts), memory_.read64(Hpa(kPdpte)));
  differences.hex("PDE", pde, memory_.read64(Hpa(kPde)));
  differences.hex("PTE", pte, memory_.read64(Hpa(kPte)));
  return differences.take();
}

GuestPagingMatrix::Result GuestPagingMatrix::run(Voice& voice, std::uint64_t stride,
                                                 const std::function<bool()>& go_on,
                                                 const OnFailure& on_failure) {
  Result result;
  mmu::Request request;
  std::vector<bool> answers;
  for (const mmu::WalkContext& context : contexts_) {
    answers.push_back(voice.standing(context.raw, request, memory_) != Standing::kNotApplicable);
  }
  constexpr std::uint64_t kBetweenQuestions = 1 << 14;
  std::uint64_t pairs = 0;
  for (std::uint64_t pair = 0; pair < kPairs; pair += stride) {
    if (go_on && ++pairs % kBetweenQuestions == 0 && !go_on()) break;
    const PagingCase facts = case_of(pair);
    if (!answers[context_of(facts)]) {
      result.not_applicable += 2;
      continue;
    }
    const PagingVerdict verdict = judge(facts);
    memory_.write64(Hpa(kPdpte), pdpte_of(facts));
    memory_.write64(Hpa(kPde), pde_of(facts));
    memory_.write64(Hpa(kPte), pte_of(facts));
    request.address = kAddress;
    request.user = facts.user;
    request.access = facts.write   ? arch::AccessKind::kWrite
                     : facts.fetch ? arch::AccessKind::kFetch
                                   : arch::AccessKind::kRead;
    const mmu::WalkContext& context = contexts_[context_of(facts)];
    bool failed = false;
    for (const bool twice : {false, true}) {
      answer_.clear();
      voice.ask(context, request, memory_, answer_);
      const std::vector<Difference> differences = judge_answer(facts, verdict);
      failed = failed || !differences.empty();
      ++result.vectors;
      if (!failed) continue;
      ++result.failed;
      if (!differences.empty()) on_failure(text_of(facts, twice), differences);
    }
  }
  return result;
}

}  // namespace eptsim::tb::conformance
