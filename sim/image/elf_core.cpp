#include "sim/image/elf_core.hpp"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

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
  if (elf.e_shoff == 0 || elf.e_shentsize != sizeof(Elf64_Shdr)) {
    refuse(path, offsetof(Elf64_Ehdr, e_phnum),
           fmt::format("{} program headers or more, but no section header to count them", PN_XNUM));
  }
  return header_at<Elf64_Shdr>(file, elf.e_shoff, path, "the first section header").sh_info;
}

void check_header(const Elf64_Ehdr& elf, const std::string& path) {
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
  // A guest outside IA-32e mode is an i386, in an ELF64 core if it has memory above 4 GiB.
  if (elf.e_machine != EM_X86_64 && elf.e_machine != EM_386) {
    refuse(
        path, offsetof(Elf64_Ehdr, e_machine),
        fmt::format("an ELF core for machine {}, expected x86-64 ({})", elf.e_machine, EM_X86_64));
  }
  if (elf.e_phentsize != sizeof(Elf64_Phdr)) {
    refuse(path, offsetof(Elf64_Ehdr, e_phentsize),
           fmt::format("program headers of {} bytes, expected {}", elf.e_phentsize,
                       sizeof(Elf64_Phdr)));
  }
}

struct ProgramHeader {
  Elf64_Phdr header;
  std::uint64_t number;
  std::uint64_t offset;  ///< in the file
};

/// The program headers of `type`, checked against the file's size.
std::vector<ProgramHeader> program_headers(std::span<const std::byte> file, const std::string& path,
                                           std::uint32_t type) {
  const auto elf = header_at<Elf64_Ehdr>(file, 0, path, "the ELF header");
  check_header(elf, path);
  const std::uint64_t count = count_of_segments(elf, file, path);
  if (elf.e_phoff > file.size() || (file.size() - elf.e_phoff) / sizeof(Elf64_Phdr) < count) {
    refuse(path, offsetof(Elf64_Ehdr, e_phoff),
           fmt::format("{} program headers from byte {} on reach beyond the file's {} bytes", count,
                       elf.e_phoff, file.size()));
  }
  std::vector<ProgramHeader> headers;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t offset = elf.e_phoff + i * sizeof(Elf64_Phdr);
    const auto header = header_at<Elf64_Phdr>(file, offset, path, "a program header");
    if (header.p_type != type || header.p_filesz == 0) continue;
    if (header.p_offset > file.size() || file.size() - header.p_offset < header.p_filesz) {
      refuse(path, offset,
             fmt::format("segment {} ({} bytes from byte {} on) reaches beyond the "
                         "file's {} bytes: the dump is cut short",
                         i, header.p_filesz, header.p_offset, file.size()));
    }
    headers.push_back({header, i, offset});
  }
  return headers;
}

void check_memory(const ProgramHeader& segment, const std::string& path) {
  const Elf64_Phdr& header = segment.header;
  if (header.p_filesz > header.p_memsz) {
    refuse(path, segment.offset,
           fmt::format("segment {} has {} bytes in the file but {} in memory", segment.number,
                       header.p_filesz, header.p_memsz));
  }
  if (header.p_paddr >= kEndOfPhysicalMemory ||
      kEndOfPhysicalMemory - header.p_paddr < header.p_memsz) {
    refuse(path, segment.offset,
           fmt::format("segment {}, {} bytes at {:#x}, runs past the end of physical memory, 2^52",
                       segment.number, header.p_memsz, header.p_paddr));
  }
}

}  // namespace

bool is_elf(std::span<const std::byte> file) {
  return file.size() >= SELFMAG && std::memcmp(file.data(), ELFMAG, SELFMAG) == 0;
}

bool is_x86_64_core(std::span<const std::byte> file) {
  return header_at<Elf64_Ehdr>(file, 0, "", "the ELF header").e_machine == EM_X86_64;
}

std::vector<PhysicalSegment> segments_of_core(std::span<const std::byte> file,
                                              const std::string& path) {
  std::vector<ProgramHeader> headers = program_headers(file, path, PT_LOAD);
  if (headers.empty()) {
    refuse(path, offsetof(Elf64_Ehdr, e_phoff),
           "the core holds no memory (no PT_LOAD segment with bytes)");
  }
  for (const ProgramHeader& segment : headers) check_memory(segment, path);
  if (headers.size() > 1 && std::ranges::all_of(headers, [](const ProgramHeader& segment) {
        return segment.header.p_paddr == 0;
      })) {
    refuse(path, headers.front().offset,
           "no segment says its physical address: a core of a process, expected one of a machine");
  }
  std::ranges::stable_sort(headers, {}, [](const ProgramHeader& h) { return h.header.p_paddr; });

  std::vector<PhysicalSegment> segments;
  const ProgramHeader* last = nullptr;  // of those kept, hence the one that reaches furthest
  for (const ProgramHeader& segment : headers) {
    const Elf64_Phdr& header = segment.header;
    std::uint64_t known = 0;  // bytes of this segment that are there already
    if (last != nullptr && header.p_paddr - last->header.p_paddr < last->header.p_memsz) {
      const Elf64_Phdr& before = last->header;
      known = std::min(header.p_memsz, before.p_memsz - (header.p_paddr - before.p_paddr));
      // Neither may read as zero where the other has bytes.
      const bool same = header.p_offset - header.p_paddr == before.p_offset - before.p_paddr &&
                        header.p_filesz == header.p_memsz && before.p_filesz == before.p_memsz;
      if (!same) {
        refuse(path, segment.offset,
               fmt::format("segment {}, {:#x} to {:#x}, overlaps segment {}, {:#x} to {:#x}, with "
                           "other bytes",
                           segment.number, header.p_paddr, header.p_paddr + header.p_memsz - 1,
                           last->number, before.p_paddr, before.p_paddr + before.p_memsz - 1));
      }
      if (known == header.p_memsz) continue;
    }
    segments.push_back({header.p_paddr + known, header.p_memsz - known,
                        file.subspan(header.p_offset + known, header.p_filesz - known)});
    last = &segment;
  }
  return segments;
}

std::vector<CoreNote> notes_of_core(std::span<const std::byte> file, const std::string& path) {
  // Names and contents are padded to words.
  const auto padded = [](std::uint64_t size) { return (size + 3) & ~std::uint64_t{3}; };
  std::vector<CoreNote> notes;
  for (const ProgramHeader& segment : program_headers(file, path, PT_NOTE)) {
    const std::uint64_t end = segment.header.p_offset + segment.header.p_filesz;
    std::uint64_t at = segment.header.p_offset;
    while (end - at >= sizeof(Elf64_Nhdr)) {
      const auto note = header_at<Elf64_Nhdr>(file, at, path, "a note");
      const std::uint64_t content = at + sizeof note + padded(note.n_namesz);
      if (content > end || end - content < note.n_descsz) {
        refuse(path, at,
               fmt::format("a note with {} bytes of name and {} of content reaches beyond its "
                           "segment, which ends at byte {}",
                           note.n_namesz, note.n_descsz, end));
      }
      const auto* name = reinterpret_cast<const char*>(file.data() + at + sizeof note);
      notes.push_back({std::string(name, ::strnlen(name, note.n_namesz)), note.n_type, at,
                       file.subspan(content, note.n_descsz)});
      at = std::min(end, content + padded(note.n_descsz));
    }
  }
  return notes;
}

}  // namespace eptsim::sim
