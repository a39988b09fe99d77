#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/trace/record.hpp"

/// The layout of the project's own trace format, which docs/trace-format.md describes:
///
///     file header | block | block | … | index
///
/// All numbers are little-endian.
namespace eptsim::sim::own {

constexpr std::string_view kFileMagic = "EPTTRACE";
constexpr std::string_view kEndMagic = "EPTTREND";
constexpr std::string_view kBlockMagic = "EPTB";
constexpr std::string_view kIndexMagic = "EPTI";
constexpr std::uint16_t kMajorVersion = 1;  ///< another one can't be read
constexpr std::uint16_t kMinorVersion = 0;  ///< a later one can, but for what it adds

constexpr std::size_t kFixedHeaderBytes = 8 + 2 + 2 + 4;  ///< before the header's text
constexpr std::size_t kChecksumBytes = 8;
constexpr std::uint32_t kMaxHeaderText = 1U << 20;
constexpr std::uint32_t kMaxBlockRecords = 1U << 20;
constexpr std::uint32_t kDefaultBlockRecords = 1U << 18;

/// What a range of records holds, counted.
struct Counts {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  std::uint64_t modifies = 0;
  std::uint64_t fetches = 0;
  std::uint64_t events = 0;
  std::uint64_t instructions = 0;

  std::uint64_t accesses() const { return reads + writes + modifies + fetches; }
  std::uint64_t records() const { return accesses() + events; }

  void add(const Record& record) {
    instructions += record.instructions;
    switch (record.kind) {
      case RecordKind::kRead: ++reads; break;
      case RecordKind::kWrite: ++writes; break;
      case RecordKind::kModify: ++modifies; break;
      case RecordKind::kFetch: ++fetches; break;
      default: ++events;
    }
  }
  Counts& operator+=(const Counts& other) {
    reads += other.reads;
    writes += other.writes;
    modifies += other.modifies;
    fetches += other.fetches;
    events += other.events;
    instructions += other.instructions;
    return *this;
  }
  bool operator==(const Counts&) const = default;
};
constexpr std::size_t kCountsBytes = 6 * 8;

/// Linear addresses from `begin` up to `end` that the program had in pages of `page_bytes`.
struct PageHint {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t page_bytes = 4096;
  bool operator==(const PageHint&) const = default;
};

/// What the file's header says of the trace. In the file it is text, a "key: value" a line.
struct Header {
  bool fetches = false;      ///< instruction fetches are there
  bool dependences = false;  ///< Record::depends_on is filled in where known
  std::vector<PageHint> page_hints;
  /// Whatever else is worth knowing (command, recorder, source…), in order. A key has no colon, and
  /// neither part a line break.
  std::vector<std::pair<std::string, std::string>> notes;
  bool operator==(const Header&) const = default;
};

/// The columns of a block; each is compressed on its own.
enum Column : std::size_t {
  kHeads,     ///< for each new site: kind and flags, a byte
  kSizes,     ///< for each new site: bytes of the access, varint
  kIps,       ///< for each new site: distance from where the instruction pointer was expected
  kContexts,  ///< for each new site with kNewContext: asid, vcpu, vm, varints
  kRuns,      ///< before each jump: how many records came as predicted, varint
  kJumps,     ///< for each jump: where to, varint
  kPatches,   ///< instructions and depends_on where they changed, varints
  kMoves,     ///< for each record at a site whose address moves: how it moved, a byte
  kDeltas,    ///< the distances themselves, of 1, 2, 4 or 8 bytes
  kColumns
};

/// Block header: magic, records, first record's number, counts, each column's (raw, stored) size,
/// checksum of the stored columns, checksum of this header.
constexpr std::size_t kBlockHeaderBytes = 4 + 4 + 8 + kCountsBytes + kColumns * 8 + 8 + 8;

// A new site's head: the kind in the low four bits, and flags.
constexpr std::uint8_t kKindMask = 0x0f;
constexpr std::uint8_t kStaysAtIp = 0x10;   ///< a fetch, whose address is the instruction pointer
constexpr std::uint8_t kNewContext = 0x20;  ///< other address space, vCPU or VM than the last site
constexpr std::uint8_t kPatched = 0x40;     ///< instructions and depends_on aren't the usual ones

// A jump is (target << 1) | patched. Targets:
constexpr std::uint64_t kToPredicted = 0;  ///< where no jump would have led (it brings a patch)
constexpr std::uint64_t kToAlternate = 1;  ///< the successor before the last
constexpr std::uint64_t kToNew = 2;        ///< a site that the block hasn't had
constexpr std::uint64_t kToSite = 3;       ///< plus the site's number

// How an address moved since the site's access before.
constexpr std::uint8_t kSameStride = 0;    ///< as at this site the last time
constexpr std::uint8_t kSameAsBefore = 1;  ///< as at the last moving site
constexpr std::uint8_t kMoveCodes = 6;     ///< 2 to 5: by 1, 2, 4 or 8 bytes of kDeltas
constexpr std::array<std::uint8_t, kMoveCodes> kMoveBytes = {0, 0, 1, 2, 4, 8};

/// A place in a block's program: one static access (or event) of one instruction. Encoder and
/// decoder keep the same sites and change them in the same way.
struct alignas(64) Site {
  Record record;                ///< as it was last
  std::uint64_t stride = 0;     ///< how its address moved last
  std::uint32_t next = 0;       ///< number of the site that followed last; 0: none yet
  std::uint32_t alternate = 0;  ///< of the one that followed before that; 0: none yet
  std::uint32_t moves = 0;      ///< 1 unless kStaysAtIp
};
static_assert(sizeof(Site) == 64);

/// What a new site's instructions are, unless kPatched.
constexpr std::uint32_t usual_instructions(RecordKind kind) {
  return kind == RecordKind::kFetch ? 1 : 0;
}

/// What a new site is expected to look like, from the new sites before it.
struct Expectation {
  std::uint64_t ip = 0;       ///< of the last one
  std::uint64_t next_ip = 0;  ///< after the last instruction fetched
  std::uint16_t asid = 0;
  std::uint16_t vm = 0;
  std::uint8_t vcpu = 0;

  std::uint64_t ip_for(RecordKind kind) const { return kind == RecordKind::kFetch ? next_ip : ip; }
  void follow(const Record& record) {
    ip = record.ip;
    if (record.kind == RecordKind::kFetch) next_ip = record.ip + record.size;
    asid = record.asid;
    vm = record.vm;
    vcpu = record.vcpu;
  }
};

}  // namespace eptsim::sim::own
