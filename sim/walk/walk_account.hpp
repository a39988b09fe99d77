#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ept/arch/bit_field.hpp"
#include "mmu_model/walk/context.hpp"
#include "sim/image/memory_image.hpp"
#include "sim/walk/diagnosis.hpp"
#include "sim/walk/entry_words.hpp"
#include "sim/walk/walk_answer.hpp"
#include "sim/walk/walk_path.hpp"

namespace eptsim::sim {

/// A page's translation, or its refusal, in words.
struct Verdict {
  /// An error code or a qualification, with the bits of it that say something.
  struct Word {
    std::string name;
    std::uint64_t value = 0;
    struct Bit {
      unsigned number = 0;
      std::string_view name;
      std::string_view meaning;
    };
    std::vector<Bit> bits;
  };
  std::string page;  ///< which one it is about, where there are two
  bool translated = false;
  std::string headline;  ///< "Translated to host-physical 0x20000", "EPT violation: VM exit 48"
  std::vector<std::string> remarks;
  std::vector<Word> words;
};

/// One translation told to a person, whatever it is shown on.
struct WalkAccount {
  struct Entry {
    Visit visit;
    EntryWords words;
    bool outside = false;  ///< of the memory image: reads as zero
    bool decides = false;  ///< for the refusal
  };
  struct Column {
    std::string leads_to;      ///< "guest PDE", "the access itself"
    std::uint64_t gpa = 0;     ///< of that, and being translated
    bool begins_page = false;  ///< the first of a page's walk
    std::vector<Entry> entries;
  };
  struct Write {
    mmu::MemoryWrite write;
    std::string what;  ///< "accessed flag of the guest PTE"
  };

  std::string question;  ///< "Read of 1 byte at linear address 0x5000, supervisor mode"
  std::string paging;    ///< "4-level guest paging (CR3 0x10000); 4-level EPT …"
  bool nested = false;   ///< with EPT
  std::vector<Column> columns;
  std::vector<Write> writes;
  std::vector<Verdict> verdicts;  ///< of the access, or of its two pages
  bool judged_only = false;       ///< by the oracle, which has no diagnosis
  Diagnosis diagnosis;            ///< of a refusal; else empty
  std::size_t references = 0;
  std::uint64_t cycles = 0;

  bool refused() const { return !verdicts.front().translated; }
};

/// `image` tells what was read from outside of it.
WalkAccount account_of(const mmu::Context& context, const mmu::Request& request,
                       const WalkAnswer& answer, const MemoryImage& image);

}  // namespace eptsim::sim
