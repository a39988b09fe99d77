#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

/// One item of a trace: an access of the program, or an event between accesses. Every reader,
/// whatever the file's format, gives these.
namespace eptsim::sim {

enum class RecordKind : std::uint8_t {
  kRead,
  kWrite,
  kModify,  ///< read and written by one instruction
  kFetch,
  // events; `address` is the operand
  kSwitch,     ///< switch of vCPU, VM or address space: `address` identifies the new one
  kInvlpg,     ///< linear address
  kInvpcid,    ///< descriptor's address, `size` the type, `asid` the PCID
  kInvvpid,    ///< linear address, `size` the type
  kInvept,     ///< EPTP, `size` the type
  kMovCr3,     ///< the value written
  kMovCr4,     ///< the value written
  kMapChange,  ///< the guest's mapping of the page at `address` changed
};

constexpr bool is_access(RecordKind kind) { return kind <= RecordKind::kFetch; }
constexpr bool is_data(RecordKind kind) { return kind <= RecordKind::kModify; }

struct Record {
  std::uint64_t address = 0;
  std::uint64_t ip = 0;            ///< of the instruction, 0 where the format has none
  std::uint32_t instructions = 0;  ///< begun since the record before, this one's included
  std::uint32_t depends_on =
      0;  ///< n: the address was loaded by the n-th load record before; 0: unknown or none
  std::uint16_t size = 0;  ///< bytes
  std::uint16_t asid = 0;  ///< address space
  RecordKind kind = RecordKind::kRead;
  std::uint8_t vcpu = 0;
  std::uint16_t vm = 0;
};
static_assert(sizeof(Record) == 32);

/// Address space, vCPU and VM of a record as one number, to be compared.
inline std::uint64_t home_of(const Record& record) {
  constexpr std::size_t kBegin = offsetof(Record, size);
  static_assert(kBegin + sizeof(std::uint64_t) == sizeof(Record));
  constexpr std::uint64_t kHome = 0xffff'ff00'ffff'0000;  // without the size and the kind there
  std::uint64_t word;
  std::memcpy(&word, reinterpret_cast<const char*>(&record) + kBegin, sizeof word);
  return word & kHome;
}
inline constexpr std::uint64_t kNoHome = ~std::uint64_t{0};  ///< of no record

}  // namespace eptsim::sim
