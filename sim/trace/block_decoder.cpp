#include "sim/trace/block_decoder.hpp"

#include <xxhash.h>
#include <zstd.h>

#include <algorithm>
#include <limits>
#include <new>

#include "sim/input_error.hpp"
#include "sim/trace/byte_stream.hpp"
#include "sim/trace/varint.hpp"

namespace eptsim::sim::own {
namespace {

constexpr std::size_t kPadding = 8;  ///< a distance is read as eight bytes, however short
/// The most that a record can put into one column (two varints of 32 bits, a varint of 64 bits).
constexpr std::uint64_t kMaxColumnBytesPerRecord = 10;

}  // namespace

std::uint64_t BlockHeader::payload_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& column : columns) sum += column.stored;
  return sum;
}

BlockHeader parse_block_header(std::span<const std::byte> bytes, const std::string& place) {
  const auto fail = [&](const char* problem) { throw InputError(place, problem); };
  const std::byte* at = bytes.data();
  const auto take32 = [&] { return at += 4, load_little<std::uint32_t>(at - 4); };
  const auto take64 = [&] { return at += 8, load_little<std::uint64_t>(at - 8); };
  if (std::memcmp(at, kBlockMagic.data(), kBlockMagic.size()) != 0)
    fail("a block of the trace should begin here: the file is damaged");
  at += kBlockMagic.size();
  BlockHeader header;
  header.records = take32();
  header.first_record = take64();
  for (auto* count : {&header.counts.reads, &header.counts.writes, &header.counts.modifies,
                      &header.counts.fetches, &header.counts.events, &header.counts.instructions})
    *count = take64();
  for (auto& column : header.columns) {
    column.raw = take32();
    column.stored = take32();
  }
  header.payload_checksum = take64();
  header.header_checksum = take64();
  if (header.header_checksum != XXH3_64bits(bytes.data(), kBlockHeaderBytes - 8))
    fail("the block's header doesn't match its checksum: the file is damaged");
  if (header.records == 0 || header.records > kMaxBlockRecords)
    fail("the block has an impossible number of records");
  for (const auto& column : header.columns)
    if (column.raw > header.records * kMaxColumnBytesPerRecord ||
        column.stored > ZSTD_compressBound(column.raw) || (column.raw == 0) != (column.stored == 0))
      fail("the block has a column of impossible size");
  return header;
}

BlockDecoder::BlockDecoder() : decompressor_(ZSTD_createDCtx()) {
  if (decompressor_ == nullptr) throw std::bad_alloc();
}

BlockDecoder::~BlockDecoder() { ZSTD_freeDCtx(decompressor_); }

void BlockDecoder::fail(const char* problem) const { throw InputError(place_, problem); }

void BlockDecoder::begin(const BlockHeader& header, std::span<const std::byte> payload,
                         std::string place) {
  place_ = std::move(place);
  left_ = 0;
  if (XXH3_64bits(payload.data(), payload.size()) != header.payload_checksum)
    fail("the block doesn't match its checksum: the file is damaged");
  for (std::size_t i = 0; i < kColumns; ++i) {
    const auto size = header.columns[i];
    columns_[i].resize(size.raw + kPadding);
    if (size.stored != 0) {
      const auto got = ZSTD_decompressDCtx(decompressor_, columns_[i].data(), size.raw,
                                           payload.data(), size.stored);
      if (got != size.raw) fail("a column of the block can't be decompressed");
      payload = payload.subspan(size.stored);
    }
    cursors_[i] = {columns_[i].data(), columns_[i].data() + size.raw};
  }
  check_moves();
  sites_.resize(std::max<std::size_t>(sites_.size(), header.columns[kHeads].raw + std::size_t{1}));
  sites_[0] = {};
  site_count_ = 1;
  expected_ = {};
  current_ = 0;
  last_address_ = 0;
  last_move_ = 0;
  left_ = header.records;
  next_run();
}

/// Makes sure that the moves' distances are exactly those of kDeltas, so that decode() needn't ask.
void BlockDecoder::check_moves() const {
  std::uint64_t bytes = 0;
  for (auto* at = cursors_[kMoves].at; at != cursors_[kMoves].end; ++at) {
    if (*at >= kMoveCodes) fail("the block has an unknown kind of move");
    bytes += kMoveBytes[*at];
  }
  if (bytes != static_cast<std::uint64_t>(cursors_[kDeltas].end - cursors_[kDeltas].at))
    fail("the block's distances don't match its moves");
}

std::uint64_t BlockDecoder::varint(Column column) {
  std::uint64_t value;
  if (!get_varint(cursors_[column].at, cursors_[column].end, value))
    fail("a column of the block ends too early");
  return value;
}

void BlockDecoder::next_run() {
  // After the last jump everything comes as predicted.
  run_ = cursors_[kRuns].at == cursors_[kRuns].end ? std::numeric_limits<std::uint64_t>::max()
                                                   : varint(kRuns);
}

std::uint32_t BlockDecoder::new_site() {
  auto& heads = cursors_[kHeads];
  if (heads.at == heads.end) fail("the block has fewer sites than it uses");
  const auto head = *heads.at++;
  const auto kind = static_cast<RecordKind>(head & kKindMask);
  if (kind > RecordKind::kMapChange) fail("the block has a record of unknown kind");
  Site site;
  site.record.kind = kind;
  site.record.size = static_cast<std::uint16_t>(varint(kSizes));
  site.record.ip = expected_.ip_for(kind) + unzigzag(varint(kIps));
  site.record.asid = expected_.asid;
  site.record.vcpu = expected_.vcpu;
  site.record.vm = expected_.vm;
  if ((head & kNewContext) != 0) {
    site.record.asid = static_cast<std::uint16_t>(varint(kContexts));
    site.record.vcpu = static_cast<std::uint8_t>(varint(kContexts));
    site.record.vm = static_cast<std::uint16_t>(varint(kContexts));
  }
  site.record.instructions = usual_instructions(kind);
  if ((head & kPatched) != 0) {
    site.record.instructions = static_cast<std::uint32_t>(varint(kPatches));
    site.record.depends_on = static_cast<std::uint32_t>(varint(kPatches));
  }
  site.moves = (head & kStaysAtIp) != 0 ? 0 : 1;
  site.record.address = site.moves != 0 ? last_address_ : site.record.ip;
  expected_.follow(site.record);
  sites_[site_count_] = site;
  return site_count_++;
}

std::uint32_t BlockDecoder::take_jump() {
  const auto jump = varint(kJumps);
  const auto target = jump >> 1;
  const auto& from = sites_[current_];
  std::uint32_t number = 0;
  if (target == kToPredicted)
    number = from.next;
  else if (target == kToAlternate)
    number = from.alternate;
  else if (target == kToNew)
    number = new_site();
  else if (target - kToSite < site_count_)
    number = static_cast<std::uint32_t>(target - kToSite);
  if (number == 0) fail("the block jumps to a site that it doesn't have");
  if ((jump & 1) != 0) {
    sites_[number].record.instructions = static_cast<std::uint32_t>(varint(kPatches));
    sites_[number].record.depends_on = static_cast<std::uint32_t>(varint(kPatches));
  }
  return number;
}

std::size_t BlockDecoder::decode(std::span<Record> records) {
  const auto count = std::min<std::size_t>(records.size(), left_);
  auto& moves = cursors_[kMoves];
  const std::uint8_t* deltas = cursors_[kDeltas].at;
  std::uint64_t unlike_sign = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t number;
    Site& before = sites_[current_];
    if (run_ == 0) {
      number = take_jump();
      next_run();
    } else {
      --run_;
      number = before.next;
      if (number == 0) [[unlikely]]
        number = new_site();
    }
    if (before.next != number) {
      before.alternate = before.next;
      before.next = number;
    }
    current_ = number;
    Site& site = sites_[number];
    // Copied before its address is written: the host has a wide load wait for a narrow store.
    records[i] = site.record;
    std::uint64_t address = site.record.address;
    if (site.moves != 0) {
      if (moves.at == moves.end) fail("the block has fewer moves than it uses");
      const auto code = *moves.at++;
      // A distance of n bytes is the low ones of the eight at `deltas`, sign-extended.
      const unsigned unused = 64 - 8U * kMoveBytes[code];
      std::uint64_t distance = site.stride;
      if (code == kSameAsBefore) distance = last_move_;
      if (code > kSameAsBefore) {
        const auto word = load_little<std::uint64_t>(reinterpret_cast<const std::byte*>(deltas));
        distance = static_cast<std::uint64_t>(static_cast<std::int64_t>(word << unused) >> unused);
        deltas += kMoveBytes[code];
      }
      site.stride = distance;
      address += distance;
      site.record.address = last_address_ = records[i].address = address;
      last_move_ = distance;
    }
    unlike_sign |= address ^ static_cast<std::uint64_t>(static_cast<std::int64_t>(address) >> 63);
  }
  unlike_sign_ = unlike_sign;
  cursors_[kDeltas].at = deltas;
  left_ -= static_cast<std::uint32_t>(count);
  return count;
}

}  // namespace eptsim::sim::own
