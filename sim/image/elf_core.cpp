#include "sim/image/elf_core.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

[[noreturn]] void refuse(const std::string& path, std::uint64_t offset,
                         const std::string& problem) {
  throw InputError(fmt::format("{}: byte {}", path, offset), problem);
}

/// A header at `offset`, copied out, since files align nothing.
template <class Header>
Header header_at(std::span<const std::byte> file, std::uint64_t offset, const std::string& path,
                 const char* name) {
  if (offset > file.size() || file.size() - offset < sizeof(Header)) {
    refuse(path, offset, fmt::format("the file ends within {}", name));
  }
  Header header;
  std::memcpy(&header, file.data() + offset, sizeof header);
  return header;
}

/// The number of program headers; 0xffff or more stand in the first section header.
std::uint64_t count_of_segments(const Elf64_Ehdr& elf, std::span<const std::byte> file,
                                const std::string& path) {
  if (elf.e_phnum != PN_XNUM) return elf.e_phnum;
  return header_at<Elf64_Shdr>(file, elf.e_shoff, path, "the first section header").sh_info;
}

}  // namespace

bool is_elf(std::span<const std::byte> file) {
  return file.size() >= SELFMAG && std::memcmp(file.data(), ELFMAG, SELFMAG) == 0;
}

std::vector<PhysicalSegment> segments_of_core(std::span<const std::byte> file,
                                              const std::string& path) {
  const auto elf = header_at<Elf64_Ehdr>(file, 0, path, "the ELF header");
  if (elf.e_ident[EI_CLASS] != ELFCLASS64) {
    refuse(path, EI_CLASS, "an ELF file of another class, expected ELF64");
  }
  if (elf.e_ident[EI_DATA] != ELFDATA2LSB) {
    refuse(path, EI_DATA, "a big-endian ELF file, expected little-endian");
  }
  if (elf.e_type != ET_CORE) {
    refuse(path, offsetof(Elf64_Ehdr, e_type),
           fmt::format("an ELF file of type {}, expected a core ({})", elf.e_type, ET_CORE));
  }
  if (elf.e_machine != EM_X86_64) {
    refuse(
        path, offsetof(Elf64_Ehdr, e_machine),
        fmt::format("an ELF core for machine {}, expected x86-64 ({})", elf.e_machine, EM_X86_64));
  }
  if (elf.e_phentsize != sizeof(Elf64_Phdr)) {
    refuse(path, offsetof(Elf64_Ehdr, e_phentsize),
           fmt::format("program headers of {} bytes, expected {}", elf.e_phentsize,
                       sizeof(Elf64_Phdr)));
  }
  const std::uint64_t count = count_of_segments(elf, file, path);
  if (elf.e_phoff > file.size() || (file.size() - elf.e_phoff) / sizeof(Elf64_Phdr) < count) {
    refuse(path, offsetof(Elf64_Ehdr, e_phoff),
           fmt::format("{} program headers from byte {} on reach beyond the file's {} bytes", count,
                       elf.e_phoff, file.size()));
  }
  std::vector<PhysicalSegment> segments;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t offset = elf.e_phoff + i * sizeof(Elf64_Phdr);
    const auto header = header_at<Elf64_Phdr>(file, offset, path, "a program header");
    if (header.p_type != PT_LOAD || header.p_memsz == 0) continue;
    if (header.p_filesz > header.p_memsz) {
      refuse(path, offset,
             fmt::format("segment {} has {} bytes in the file but {} in memory", i, header.p_filesz,
                         header.p_memsz));
    }
    if (header.p_offset > file.size() || file.size() - header.p_offset < header.p_filesz) {
      refuse(path, offset,
             fmt::format("segment {} ({} bytes from byte {} on) reaches beyond the "
                         "file's {} bytes: the dump is cut short",
                         i, header.p_filesz, header.p_offset, file.size()));
    }
    if (std::numeric_limits<std::uint64_t>::max() - header.p_paddr < header.p_memsz) {
      refuse(path, offset, fmt::format("segment {} runs past the end of the address space", i));
    }
    segments.push_back(
        {header.p_paddr, header.p_memsz, file.subspan(header.p_offset, header.p_filesz)});
  }
  if (segments.empty()) refuse(path, elf.e_phoff, "the core holds no memory (no PT_LOAD segment)");
  return segments;
}

}  // namespace eptsim::sim
