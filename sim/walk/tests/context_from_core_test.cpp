#include "sim/walk/context_from_core.hpp"

#include <elf.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sim/input_error.hpp"
#include "sim/walk/context_file.hpp"

namespace eptsim::sim {
namespace {

/// The content of a note called QEMU, by offsets: what is set is what translation needs.
class Processor {
 public:
  static constexpr std::size_t kSize = 440;  // of QEMU 3 and later

  Processor() : bytes_(kSize, '\0') {
    put(0, 1, 4);
    put(4, kSize, 4);
  }
  Processor& cr(unsigned number, std::uint64_t value) { return put(392 + 8 * number, value, 8); }
  Processor& rflags(std::uint64_t value) { return put(144, value, 8); }
  Processor& cs_flags(std::uint64_t value) { return put(160, value, 4); }
  Processor& version(std::uint64_t value) { return put(0, value, 4); }
  const std::string& bytes() const { return bytes_; }

 private:
  Processor& put(std::size_t offset, std::uint64_t value, std::size_t size) {
    std::memcpy(bytes_.data() + offset, &value, size);
    return *this;
  }
  std::string bytes_;
};

constexpr std::uint64_t kLongCode = 0xaf9b00;   // L
constexpr std::uint64_t kOtherCode = 0xcf9b00;  // D

class ContextFromCore : public testing::Test {
 protected:
  ContextFromCore() {
    path_ = (std::filesystem::temp_directory_path() /
             ("eptsim-core-" + std::to_string(::getpid()) + "-" +
              testing::UnitTest::GetInstance()->current_test_info()->name()))
                .string();
  }
  ~ContextFromCore() override { std::filesystem::remove(path_); }

  static std::string note(const std::string& owner, const std::string& content) {
    const Elf64_Nhdr header{static_cast<Elf64_Word>(owner.size() + 1),
                            static_cast<Elf64_Word>(content.size()), 0};
    std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
    return bytes + owner + std::string(4 - owner.size() % 4, '\0') + content;
  }

  /// A core of 8 bytes of memory at `base`, with a note called CORE before each of QEMU's.
  void write_core(const std::vector<std::string>& processors, Elf64_Half machine = EM_X86_64,
                  std::uint64_t base = 0) const {
    std::string notes;
    for (const std::string& processor : processors) {
      notes += note("CORE", std::string(336, 'x')) + note("QEMU", processor);
    }
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_type = ET_CORE;
    header.e_machine = machine;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 2;
    std::array<Elf64_Phdr, 2> segments{};
    segments[0].p_type = PT_NOTE;
    segments[0].p_offset = sizeof header + sizeof segments;
    segments[0].p_filesz = notes.size();
    segments[1].p_type = PT_LOAD;
    segments[1].p_paddr = base;
    segments[1].p_offset = segments[0].p_offset + notes.size();
    segments[1].p_filesz = segments[1].p_memsz = 8;
    std::ofstream file(path_, std::ios::binary);
    file.write(reinterpret_cast<const char*>(&header), sizeof header);
    file.write(reinterpret_cast<const char*>(&segments), sizeof segments);
    file << notes << std::string(8, '\0');
  }

  std::string message(std::uint64_t cpu = 0) const {
    try {
      context_from_core(path_, cpu);
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  }

  std::string path_;
};

Processor long_mode() {
  return Processor().cr(0, 0x80050033).cr(3, 0x1968000).cr(4, 0x750ef0).cs_flags(kLongCode);
}

TEST_F(ContextFromCore, HasTheRegistersOfTheNote) {
  write_core({long_mode().rflags(0x40202).bytes()});
  const mmu::Context context = context_from_core(path_);
  EXPECT_FALSE(context.ept_enabled);
  EXPECT_EQ(context.cr0, 0x80050033u);
  EXPECT_EQ(context.cr3, 0x1968000u);
  EXPECT_EQ(context.cr4, 0x750ef0u);
  EXPECT_EQ(context.efer, 0xd00u);
  EXPECT_TRUE(context.rflags_ac);
  EXPECT_EQ(context.cpu.maxphyaddr, 46u);
}

TEST_F(ContextFromCore, ConcludesEferFromPagingTheCodeSegmentAndTheMachine) {
  const auto efer = [this](const Processor& processor, Elf64_Half machine) {
    write_core({processor.bytes()}, machine);
    return context_from_core(path_).efer;
  };
  // IA-32e mode: a 64-bit code segment, or compatibility mode in a guest that QEMU calls x86-64.
  EXPECT_EQ(efer(long_mode(), EM_X86_64), 0xd00u);
  EXPECT_EQ(efer(long_mode(), EM_386), 0xd00u) << "the first processor alone makes it i386";
  EXPECT_EQ(efer(long_mode().cs_flags(kOtherCode), EM_X86_64), 0xd00u);
  EXPECT_EQ(efer(long_mode().cs_flags(kOtherCode), EM_386), 0x800u) << "PAE paging";
  EXPECT_EQ(efer(Processor().cr(0, 0x80000011).cr(4, 0x10), EM_386), 0u) << "32-bit paging";
  EXPECT_EQ(efer(Processor().cr(0, 0x60000010), EM_X86_64), 0u) << "a processor not yet started";
}

TEST_F(ContextFromCore, IsOfTheProcessorAskedFor) {
  write_core({long_mode().bytes(), long_mode().cr(3, 0x5000).bytes()});
  EXPECT_EQ(context_from_core(path_, 0).cr3, 0x1968000u);
  EXPECT_EQ(context_from_core(path_, 1).cr3, 0x5000u);
  EXPECT_EQ(message(2), "--cpu 2: " + path_ + " holds 2 processors, numbered from 0");
}

TEST_F(ContextFromCore, WidensThePhysicalAddressToTheMemoryThereIs) {
  write_core({long_mode().bytes()}, EM_X86_64, (std::uint64_t{1} << 48) - 8);
  EXPECT_EQ(context_from_core(path_).cpu.maxphyaddr, 48u);
  write_core({long_mode().bytes()}, EM_X86_64, std::uint64_t{1} << 48);
  EXPECT_EQ(context_from_core(path_).cpu.maxphyaddr, 49u);
}

TEST_F(ContextFromCore, RefusesFilesWithoutTheNotes) {
  write_core({});
  EXPECT_EQ(message(), path_ +
                           ": the core has no registers that translation needs (no note called "
                           "QEMU), expected one made by QEMU's dump-guest-memory");
  std::ofstream(path_) << "no core";
  EXPECT_EQ(message(),
            path_ + ": is no ELF file, expected a core made by QEMU's dump-guest-memory");
  std::filesystem::remove(path_);
  EXPECT_EQ(message(), path_ + ": No such file or directory");
}

TEST_F(ContextFromCore, RefusesNotesOfAnotherLayoutWithTheirPlace) {
  const std::string place = path_ + ": byte 532: ";
  write_core({long_mode().bytes().substr(0, 431)});
  EXPECT_EQ(message(), place + "a QEMU note of 431 bytes, expected 432 or more");
  write_core({long_mode().bytes().substr(0, 432)});
  EXPECT_EQ(message(), "accepted");
  write_core({long_mode().version(2).bytes()});
  EXPECT_EQ(message(), place + "a QEMU note of version 2, expected 1");
  write_core({long_mode().cr(3, std::uint64_t{1} << 50).bytes()});
  EXPECT_TRUE(message().starts_with(place + "VM entry refuses cr3: ")) << message();
}

TEST_F(ContextFromCore, AsJsonIsAContextFileThatReadsAsTheSame) {
  mmu::Context context;
  context.ept_enabled = true;
  context.eptp = 0x101e;
  context.cr0 = 0x80010033;
  context.cr3 = 0xfff'ffff'f000;
  context.cr4 = 0x20;
  context.efer = 0xd00;
  context.pkru = 0xffffffff;
  context.pkrs = 5;
  context.pat = 0x0406;
  context.rflags_ac = true;
  context.vpid = 0xffff;
  context.cpu = {52, false, false, false, false, true, true};
  context.pml_index = 7;
  context.eptp_index = 9;
  context.ve_info_address = 0x3000;
  context.hlat_prefix_size = 11;
  const std::string text = context_as_json(context);
  std::ofstream(path_) << text;
  EXPECT_EQ(context_as_json(read_context(path_)), text);
  for (const char* part : {"\"eptp\": \"0x101e\"", "\"cr3\": \"0xffffffff000\"", "\"vpid\": 65535",
                           "\"maxphyaddr\": 52, \"execute_only\": false", "\"eptp_index\": 9",
                           "\"rflags_ac\": true", "\"hlat_prefix_size\": 11"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  }
  EXPECT_NE(context_as_json({}).find("\"eptp\": null"), std::string::npos);
}

}  // namespace
}  // namespace eptsim::sim
