#include "sim/image/memory_image.hpp"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

using arch::Hpa;

class MemoryImageTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("eptsim-image-" + std::to_string(::getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name, const std::string& content) const {
    const std::string path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  static std::string words(const std::vector<std::uint64_t>& values) {
    std::string bytes(values.size() * 8, '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
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
    elf.e_phnum = static_cast<Elf64_Half>(segments.size());
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
            dump + ": 8 bytes at 0xfffffffffffffff9 run past the end of the address space");
}

TEST_F(MemoryImageTest, HeadersThatLieAreRefusedWithTheirOffset) {
  const auto refused = [this](const std::string& bytes) {
    const std::string path = file("core", bytes);
    const std::string message = message_of({path});
    return message.starts_with(path) ? message.substr(path.size()) : message;
  };
  Core core;
  core.add(0x1000, words({1}), 8);

  Core other = core;
  other.header.e_ident[EI_CLASS] = ELFCLASS32;
  EXPECT_EQ(refused(other.bytes()), ": byte 4: an ELF file of another class, expected ELF64");
  other = core;
  other.header.e_type = ET_EXEC;
  EXPECT_EQ(refused(other.bytes()), ": byte 16: an ELF file of type 2, expected a core (4)");
  other = core;
  other.header.e_machine = EM_AARCH64;
  EXPECT_EQ(refused(other.bytes()), ": byte 18: an ELF core for machine 183, expected x86-64 (62)");
  other = core;
  other.header.e_phoff = ~0ull;
  EXPECT_EQ(refused(other.bytes()),
            ": byte 32: 1 program headers from byte 18446744073709551615 on reach beyond the "
            "file's 128 bytes");
  other = core;
  other.segments[0].p_filesz = 1000;
  other.segments[0].p_memsz = 1000;
  EXPECT_EQ(refused(other.bytes()),
            ": byte 64: segment 0 (1000 bytes from byte 120 on) reaches beyond the file's 128 "
            "bytes: the dump is cut short");
  other = core;
  other.segments[0].p_memsz = 4;
  EXPECT_EQ(refused(other.bytes()), ": byte 64: segment 0 has 8 bytes in the file but 4 in memory");
  other = core;
  other.segments[0].p_paddr = ~0ull - 3;
  EXPECT_EQ(refused(other.bytes()), ": byte 64: segment 0 runs past the end of the address space");
  EXPECT_EQ(refused(core.bytes().substr(0, 20)), ": byte 0: the file ends within the ELF header");
}

}  // namespace
}  // namespace eptsim::sim
