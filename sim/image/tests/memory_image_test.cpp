#include "sim/image/memory_image.hpp"

#include <elf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sim/image/elf_core.hpp"
#include "sim/image/shrinking_file.hpp"
#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

using arch::Hpa;

std::string words(const std::vector<std::uint64_t>& values) {
  std::string bytes(values.size() * 8, '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

class MemoryImageTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    std::ranges::replace(name, '/', '-');
    folder_ = std::filesystem::temp_directory_path() /
              ("eptsim-image-" + std::to_string(::getpid()) + "-" + name);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& content) const {
    const std::string path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  std::string message_of(const std::vector<std::string>& files) const {
    MemoryImage image;
    try {
      for (const std::string& name : files) image.add(name);
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  }

  std::filesystem::path folder_;
};

/// An ELF64 core with segments of physical memory, and the means to spoil it.
struct Core {
  Elf64_Ehdr header{};
  std::vector<Elf64_Phdr> segments;
  std::string content;
  std::optional<Elf64_Half> e_phnum;  ///< said instead of the number of segments

  Core() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_CORE;
    header.e_machine = EM_X86_64;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
  }
  void add(std::uint64_t physical, const std::string& bytes, std::uint64_t size) {
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_paddr = physical;
    segment.p_offset = content.size();
    segment.p_filesz = bytes.size();
    segment.p_memsz = size;
    segments.push_back(segment);
    content += bytes;
  }
  std::string bytes() const {
    Elf64_Ehdr elf = header;
    elf.e_phnum = e_phnum.value_or(static_cast<Elf64_Half>(segments.size()));
    std::string out(reinterpret_cast<const char*>(&elf), sizeof elf);
    for (Elf64_Phdr segment : segments) {
      segment.p_offset += sizeof elf + segments.size() * sizeof segment;
      out.append(reinterpret_cast<const char*>(&segment), sizeof segment);
    }
    return out + content;
  }
};

TEST_F(MemoryImageTest, ARawDumpLiesAtItsBaseAndZeroIsAround) {
  MemoryImage image;
  image.add(file("dump", words({1, 2, 3})) + "@0x1000");
  EXPECT_EQ(image.read64(Hpa(0xff8)), 0u);
  EXPECT_EQ(image.read64(Hpa(0x1000)), 1u);
  EXPECT_EQ(image.read64(Hpa(0x1010)), 3u);
  EXPECT_EQ(image.read64(Hpa(0x1018)), 0u);
}

TEST_F(MemoryImageTest, ADumpThatEndsWithinAWordReadsAsZeroBehindItsEnd) {
  MemoryImage image;
  image.add(file("dump", "\x11\x22\x33"));
  EXPECT_EQ(image.read64(Hpa(0)), 0x332211u);
}

TEST_F(MemoryImageTest, WritesAreSeenUntilTheyAreForgottenAndNeverReachTheFile) {
  const std::string path = file("dump", words({7}));
  MemoryImage image;
  image.add(path);
  EXPECT_EQ(image.compare_exchange64(Hpa(0), 8, 9), 7u);
  EXPECT_EQ(image.read64(Hpa(0)), 7u);
  EXPECT_EQ(image.compare_exchange64(Hpa(0), 7, 9), 7u);
  image.write64(Hpa(0x5000), 5);
  EXPECT_EQ(image.read64(Hpa(0)), 9u);
  EXPECT_EQ(image.read64(Hpa(0x5000)), 5u);
  image.forget_writes();
  EXPECT_EQ(image.read64(Hpa(0)), 7u);
  EXPECT_EQ(image.read64(Hpa(0x5000)), 0u);
  std::ifstream stored(path, std::ios::binary);
  EXPECT_EQ(stored.get(), 7);
}

TEST_F(MemoryImageTest, ACoreSaysWhereItsMemoryLies) {
  Core core;
  core.add(0x100000, words({10, 11}), 0x2000);
  core.add(0x40000000000, words({12}), 8);
  MemoryImage image;
  image.add(file("core", core.bytes()));
  EXPECT_EQ(image.read64(Hpa(0x100008)), 11u);
  EXPECT_EQ(image.read64(Hpa(0x100010)), 0u);
  EXPECT_EQ(image.read64(Hpa(0x40000000000)), 12u);
}

TEST_F(MemoryImageTest, ASparseDumpOfATebibyteOpensAndReads) {
  const std::string path = file("dump", "");
  std::filesystem::resize_file(path, 1ull << 40);
  MemoryImage image;
  image.add(path);
  EXPECT_EQ(image.read64(Hpa((1ull << 40) - 8)), 0u);
}

TEST_F(MemoryImageTest, ImagesThatOverlapAreRefused) {
  const std::string a = file("a", words({1, 2}));
  const std::string b = file("b", words({3}));
  EXPECT_EQ(message_of({a + "@0x1000", b + "@0x1008"}),
            b + ": physical memory 0x1008 to 0x100f overlaps 0x1000 to 0x100f of " + a);
  EXPECT_EQ(message_of({b + "@0x1008", a + "@0x1000"}),
            a + ": physical memory 0x1000 to 0x100f overlaps 0x1008 to 0x100f of " + b);
  EXPECT_EQ(message_of({a + "@0x1000", b + "@0x1010"}), "accepted");
}

TEST_F(MemoryImageTest, FilesThatAreNoImageAreRefusedByName) {
  EXPECT_EQ(message_of({"/nonexistent/dump"}), "/nonexistent/dump: No such file or directory");
  EXPECT_EQ(message_of({folder_.string()}), folder_.string() + ": is a directory, expected a file");
  const std::string empty = file("empty", "");
  EXPECT_EQ(message_of({empty}), empty + ": is empty");
  const std::string dump = file("dump", words({1}));
  EXPECT_EQ(message_of({dump + "@here"}), "--memory " + dump +
                                              "@here: 'here' is no address, expected FILE or "
                                              "FILE@BASE with BASE decimal or 0x…");
  EXPECT_EQ(message_of({dump + "@0xfffffffffffffff9"}),
            dump + ": 8 bytes at 0xfffffffffffffff9 run past the end of physical memory, 2^52");
}

TEST_F(MemoryImageTest, ABaseIsANumberBehindAFilesName) {
  const std::string dump = file("dump", words({1}));
  const std::string expected =
      " is no address, expected FILE or FILE@BASE with BASE decimal or 0x…";
  for (const char* base : {"", "0x", "0xg", "-1", "1 ", "18446744073709551616", "0x1@"}) {
    const std::string given = dump + "@" + base;
    const std::string shown = std::string(base) == "0x1@" ? "" : base;
    EXPECT_EQ(message_of({given}), "--memory " + given + ": '" + shown + "'" + expected);
  }
  EXPECT_EQ(message_of({"@0x1000"}), "--memory @0x1000: no file, expected FILE or FILE@BASE");
  EXPECT_EQ(message_of({dump + "@4503599627370489"}),  // 2^52 - 7
            dump + ": 8 bytes at 0xffffffffffff9 run past the end of physical memory, 2^52");
  EXPECT_EQ(message_of({dump + "@0xffffffffffff8"}), "accepted");
}

TEST_F(MemoryImageTest, AFileWithAnAtInItsNameIsTakenWhole) {
  MemoryImage image;
  image.add(file("dump@0x1000", words({5})));
  EXPECT_EQ(image.read64(Hpa(0)), 5u);
}

TEST_F(MemoryImageTest, ItKnowsWhatItHolds) {
  Core core;
  core.add(0x2000, words({1}), 0x1000);
  MemoryImage image;
  image.add(file("core", core.bytes()));
  image.add(file("dump", words({1})) + "@0x5000");
  for (const std::uint64_t inside : {0x2000, 0x2fff, 0x5000, 0x5007}) {
    EXPECT_TRUE(image.holds(Hpa(inside))) << std::hex << inside;
  }
  for (const std::uint64_t outside : {0x0, 0x1fff, 0x3000, 0x4fff, 0x5008}) {
    EXPECT_FALSE(image.holds(Hpa(outside))) << std::hex << outside;
  }
}

/// Bytes of memory that the process uses at the moment.
std::uint64_t resident_bytes() {
  std::ifstream statistics("/proc/self/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  statistics >> all >> resident;
  return resident * 4096;
}

TEST_F(MemoryImageTest, ASparseDumpCostsOnlyThePagesTouched) {
  const std::string path = file("dump", "");
  std::filesystem::resize_file(path, 1ull << 40);
  MemoryImage image;
  const std::uint64_t before = resident_bytes();
  image.add(path);
  for (std::uint64_t address = 0; address < 1ull << 40; address += 1ull << 32) {
    EXPECT_EQ(image.read64(Hpa(address)), 0u);
  }
  // 256 pages are a mebibyte; a file that is read would be a million.
  EXPECT_LT(resident_bytes() - before, 64ull << 20);
}

TEST_F(MemoryImageTest, AFileThatShrinksWhileInUseIsNamedAndEndsTheProgramWithStatus2) {
  const std::string path = file("dump", std::string(0x4000, 'x'));
  EXPECT_EXIT(
      {
        refuse_files_that_shrink();
        MemoryImage image;
        image.add(path);
        std::filesystem::resize_file(path, 0x1000);
        const std::uint64_t kept = image.read64(Hpa(0));
        const std::uint64_t lost = image.read64(Hpa(0x3000));
        std::_Exit(kept == lost ? 3 : 4);
      },
      testing::ExitedWithCode(2),
      "dump: can't be read any more: it was cut short while in use, or its disk fails");
}

TEST_F(MemoryImageTest, MemoryShownTwiceInACoreIsThereOnce) {
  // As QEMU's dump by linear address has it: the same bytes in several segments, and devices
  // without any.
  Core core;
  core.add(0x1000, words({1, 2, 3, 4}), 32);
  core.segments.push_back(core.segments[0]);
  core.segments[1].p_paddr += 8;  // inside the first, then reaching beyond it
  core.segments[1].p_offset += 8;
  core.segments[1].p_filesz = core.segments[1].p_memsz = 8;
  core.segments[0].p_filesz = core.segments[0].p_memsz = 24;
  core.segments.push_back(core.segments[0]);
  core.segments[2].p_paddr += 16;
  core.segments[2].p_offset += 16;
  core.segments[2].p_filesz = core.segments[2].p_memsz = 16;
  Elf64_Phdr device{};
  device.p_type = PT_LOAD;
  device.p_paddr = 0x1000;
  device.p_memsz = 0x100000;
  device.p_offset = ~0ull - 10000;
  core.segments.push_back(device);
  MemoryImage image;
  image.add(file("core", core.bytes()));
  for (std::uint64_t word = 0; word < 4; ++word) {
    EXPECT_EQ(image.read64(Hpa(0x1000 + 8 * word)), word + 1);
  }
  EXPECT_FALSE(image.holds(Hpa(0x1020)));
}

TEST_F(MemoryImageTest, ACoreWithMoreThan65534SegmentsCountsThemInASectionHeader) {
  constexpr std::uint32_t kSegments = 65540;
  Core core;
  for (std::uint64_t i = 0; i < kSegments; ++i) core.add(0x1000 + 16 * i, words({i}), 8);
  Elf64_Shdr counter{};
  counter.sh_info = kSegments;
  core.header.e_shentsize = sizeof counter;
  core.header.e_shoff = core.bytes().size();
  core.e_phnum = PN_XNUM;
  const std::string whole =
      core.bytes() + std::string(reinterpret_cast<const char*>(&counter), sizeof counter);
  MemoryImage image;
  image.add(file("core", whole));
  EXPECT_EQ(image.read64(Hpa(0x1000 + 16 * 65539)), 65539u);
  const std::string cut = file("cut", whole.substr(0, whole.size() - 1));
  EXPECT_EQ(message_of({cut}), cut + ": byte " + std::to_string(core.header.e_shoff) +
                                   ": the file ends within the first section header");
}

/// A way to spoil a core of one segment, 8 bytes at 0x1000, and what is said of it.
struct Lie {
  const char* name;
  void (*spoil)(Core&);
  const char* says;  ///< behind the file's name
};

void PrintTo(const Lie& lie, std::ostream* out) { *out << lie.name; }

const Lie kLies[] = {
    {"OtherClass", [](Core& c) { c.header.e_ident[EI_CLASS] = ELFCLASS32; },
     ": byte 4: an ELF file of another class, expected ELF64"},
    {"BigEndian", [](Core& c) { c.header.e_ident[EI_DATA] = ELFDATA2MSB; },
     ": byte 5: a big-endian ELF file, expected little-endian"},
    {"Executable", [](Core& c) { c.header.e_type = ET_EXEC; },
     ": byte 16: an ELF file of type 2, expected a core (4)"},
    {"Relocatable", [](Core& c) { c.header.e_type = ET_REL; },
     ": byte 16: an ELF file of type 1, expected a core (4)"},
    {"OtherMachine", [](Core& c) { c.header.e_machine = EM_AARCH64; },
     ": byte 18: an ELF core for machine 183, expected x86-64 (62)"},
    {"SizeOfProgramHeaders", [](Core& c) { c.header.e_phentsize = 32; },
     ": byte 54: program headers of 32 bytes, expected 56"},
    {"PlaceOfProgramHeaders", [](Core& c) { c.header.e_phoff = ~0ull; },
     ": byte 32: 1 program headers from byte 18446744073709551615 on reach beyond the file's 128 "
     "bytes"},
    {"NumberOfProgramHeaders", [](Core& c) { c.e_phnum = 3; },
     ": byte 32: 3 program headers from byte 64 on reach beyond the file's 128 bytes"},
    {"NoSegments", [](Core& c) { c.segments.clear(); },
     ": byte 32: the core holds no memory (no PT_LOAD segment with bytes)"},
    {"OnlyOtherSegments", [](Core& c) { c.segments[0].p_type = PT_DYNAMIC; },
     ": byte 32: the core holds no memory (no PT_LOAD segment with bytes)"},
    {"NoSectionThatCounts", [](Core& c) { c.e_phnum = PN_XNUM; },
     ": byte 56: 65535 program headers or more, but no section header to count them"},
    {"SectionBeyondTheFile",
     [](Core& c) {
       c.e_phnum = PN_XNUM;
       c.header.e_shoff = 1ull << 60;
       c.header.e_shentsize = sizeof(Elf64_Shdr);
     },
     ": byte 1152921504606846976: the file ends within the first section header"},
    {"LargerThanTheFile", [](Core& c) { c.segments[0].p_filesz = c.segments[0].p_memsz = 1000; },
     ": byte 64: segment 0 (1000 bytes from byte 120 on) reaches beyond the file's 128 bytes: the "
     "dump is cut short"},
    {"BeyondTheFile", [](Core& c) { c.segments[0].p_offset = ~0ull - 120; },
     ": byte 64: segment 0 (8 bytes from byte 18446744073709551615 on) reaches beyond the file's "
     "128 bytes: the dump is cut short"},
    {"MoreInTheFileThanInMemory", [](Core& c) { c.segments[0].p_memsz = 4; },
     ": byte 64: segment 0 has 8 bytes in the file but 4 in memory"},
    {"PastTheEndOfAddresses", [](Core& c) { c.segments[0].p_paddr = ~0ull - 3; },
     ": byte 64: segment 0, 8 bytes at 0xfffffffffffffffc, runs past the end of physical memory, "
     "2^52"},
    {"PastTheEndOfMemory", [](Core& c) { c.segments[0].p_memsz = 1ull << 52; },
     ": byte 64: segment 0, 4503599627370496 bytes at 0x1000, runs past the end of physical "
     "memory, 2^52"},
    {"OverlapWithOtherBytes", [](Core& c) { c.add(0x1004, words({2}), 8); },
     ": byte 120: segment 1, 0x1004 to 0x100b, overlaps segment 0, 0x1000 to 0x1007, with other "
     "bytes"},
    {"OverlapWithZeroes",
     [](Core& c) {
       c.segments[0].p_memsz = 0x1000;
       c.add(0x1008, words({2}), 8);  // the bytes that follow in the file, too
     },
     ": byte 120: segment 1, 0x1008 to 0x100f, overlaps segment 0, 0x1000 to 0x1fff, with other "
     "bytes"},
    {"CoreOfAProcess",
     [](Core& c) {
       c.add(0, words({2}), 8);
       c.segments[0].p_paddr = 0;
     },
     ": byte 64: no segment says its physical address: a core of a process, expected one of a "
     "machine"},
};

class LyingHeaders : public MemoryImageTest, public testing::WithParamInterface<Lie> {};

TEST_P(LyingHeaders, AreRefusedWithTheirPlace) {
  Core core;
  core.add(0x1000, words({1}), 8);
  GetParam().spoil(core);
  const std::string path = file("core", core.bytes());
  EXPECT_EQ(message_of({path}), path + GetParam().says);
}

std::string name_of(const testing::TestParamInfo<Lie>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Elf, LyingHeaders, testing::ValuesIn(kLies), name_of);

TEST_F(MemoryImageTest, ACoreCutShortAnywhereIsRefusedOrWhole) {
  Core core;
  core.add(0x1000, words({1, 2}), 0x20);
  core.add(0x3000, words({3}), 8);
  const std::string whole = core.bytes();
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const std::string path = file("core", whole.substr(0, size));
    const std::string message = message_of({path});
    if (size < SELFMAG) {
      EXPECT_EQ(message, "accepted") << "too short to be taken for a core";
    } else {
      EXPECT_TRUE(message.starts_with(path + ": byte ")) << size << ": " << message;
    }
  }
}

TEST_F(MemoryImageTest, NotesOfACoreAreReadAndThoseThatLieAreRefused) {
  const auto note = [](const std::string& owner, std::uint32_t type, const std::string& content) {
    Elf64_Nhdr header{static_cast<Elf64_Word>(owner.size() + 1),
                      static_cast<Elf64_Word>(content.size()), type};
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
    bytes += owner + std::string(4 - owner.size() % 4, '\0') + content;
    return bytes + std::string((4 - content.size() % 4) % 4, '\0');
  };
  const auto core_of = [](const std::string& notes) {
    Core core;
    core.add(0, notes, notes.size());
    core.segments[0].p_type = PT_NOTE;
    return core.bytes();
  };
  const auto read = [](const std::string& core) {
    return notes_of_core(std::as_bytes(std::span(core)), "core");
  };
  const std::string notes = note("CORE", 1, "abc") + note("QEMU", 0, "");
  const std::string sound = core_of(notes);
  const std::vector<CoreNote> found = read(sound);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].owner, "CORE");
  EXPECT_EQ(found[0].type, 1u);
  EXPECT_EQ(found[0].content.size(), 3u);
  EXPECT_EQ(found[1].owner, "QEMU");
  EXPECT_EQ(found[1].offset, found[0].offset + 24);

  for (const std::size_t field : {0u, 4u}) {
    std::string lying = notes;
    lying.replace(field, 4, "\xff\xff\xff\xff");
    try {
      read(core_of(lying));
      FAIL() << "accepted";
    } catch (const InputError& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with("core: byte 120: a note with "));
    }
  }
}

}  // namespace
}  // namespace eptsim::sim
