#include "sim/trace/block_encoder.hpp"

#include <xxhash.h>
#include <zstd.h>

#include <cstring>
#include <new>
#include <stdexcept>

#include "sim/trace/varint.hpp"

namespace eptsim::sim::own {
namespace {

bool stays_at_ip(const Record& record) {
  return record.kind == RecordKind::kFetch && record.address == record.ip;
}

/// Size, address space, kind, vCPU and VM: with the instruction pointer, what makes a site.
std::uint64_t identity(const Record& record) {
  return std::uint64_t{record.size} | std::uint64_t{record.asid} << 16 |
         std::uint64_t{static_cast<std::uint8_t>(record.kind)} << 32 |
         std::uint64_t{record.vcpu} << 40 | std::uint64_t{record.vm} << 48;
}

bool is_at(const Record& record, const Site& site) {
  return record.ip == site.record.ip && identity(record) == identity(site.record) &&
         stays_at_ip(record) == (site.moves == 0);
}

std::size_t hash_of(const Record& record) {
  std::uint64_t hash = (record.ip ^ (identity(record) * 0x9e3779b97f4a7c15)) * 0xff51afd7ed558ccd;
  return static_cast<std::size_t>(hash ^ (hash >> 32));
}

void put(std::vector<std::uint8_t>& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

/// Whether `value`, as a signed number, fits in `bits` bits.
bool fits(std::uint64_t value, unsigned bits) {
  return ((value + (std::uint64_t{1} << (bits - 1))) >> bits) == 0;
}

}  // namespace

BlockEncoder::BlockEncoder(int level) : compressor_(ZSTD_createCCtx()) {
  if (compressor_ == nullptr) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(compressor_, ZSTD_c_compressionLevel, level);
  reset();
}

BlockEncoder::~BlockEncoder() { ZSTD_freeCCtx(compressor_); }

void BlockEncoder::reset() {
  sites_.assign(1, Site{});
  table_.assign(1024, 0);
  for (auto& column : columns_) column.clear();
  expected_ = {};
  counts_ = {};
  records_ = 0;
  current_ = 0;
  run_ = 0;
  last_address_ = 0;
  last_move_ = 0;
}

std::uint32_t BlockEncoder::find_site(const Record& record) const {
  const auto mask = table_.size() - 1;
  for (auto slot = hash_of(record) & mask; table_[slot] != 0; slot = (slot + 1) & mask)
    if (is_at(record, sites_[table_[slot]])) return table_[slot];
  return 0;
}

void BlockEncoder::enter_in_table(std::uint32_t number) {
  const auto mask = table_.size() - 1;
  auto slot = hash_of(sites_[number].record) & mask;
  while (table_[slot] != 0) slot = (slot + 1) & mask;
  table_[slot] = number;
}

std::uint32_t BlockEncoder::add_site(const Record& record) {
  const auto number = static_cast<std::uint32_t>(sites_.size());
  const bool stays = stays_at_ip(record);
  Site site;
  site.record = record;
  site.moves = stays ? 0 : 1;
  if (!stays) site.record.address = last_address_;

  auto head = static_cast<std::uint8_t>(record.kind);
  if (stays) head |= kStaysAtIp;
  const bool new_context =
      record.asid != expected_.asid || record.vcpu != expected_.vcpu || record.vm != expected_.vm;
  if (new_context) {
    head |= kNewContext;
    for (const std::uint64_t part :
         {std::uint64_t{record.asid}, std::uint64_t{record.vcpu}, std::uint64_t{record.vm}})
      put_varint(columns_[kContexts], part);
  }
  if (record.instructions != usual_instructions(record.kind) || record.depends_on != 0) {
    head |= kPatched;
    put_varint(columns_[kPatches], record.instructions);
    put_varint(columns_[kPatches], record.depends_on);
  }
  columns_[kHeads].push_back(head);
  put_varint(columns_[kSizes], record.size);
  put_varint(columns_[kIps], zigzag(record.ip - expected_.ip_for(record.kind)));
  expected_.follow(record);

  sites_.push_back(site);
  if (sites_.size() * 2 > table_.size()) {
    table_.assign(table_.size() * 4, 0);
    for (std::uint32_t other = 1; other <= number; ++other) enter_in_table(other);
  } else {
    enter_in_table(number);
  }
  return number;
}

void BlockEncoder::move(Site& site, std::uint64_t address) {
  const std::uint64_t distance = address - site.record.address;
  std::uint8_t code = kSameStride;
  if (distance != site.stride) {
    if (distance == last_move_)
      code = kSameAsBefore;
    else
      code = fits(distance, 8) ? 2 : fits(distance, 16) ? 3 : fits(distance, 32) ? 4 : 5;
  }
  columns_[kMoves].push_back(code);
  put(columns_[kDeltas], distance, kMoveBytes[code]);
  site.stride = distance;
  site.record.address = address;
  last_move_ = distance;
  last_address_ = address;
}

void BlockEncoder::add(const Record& record) {
  const std::uint32_t predicted = sites_[current_].next;
  const std::uint32_t alternate = sites_[current_].alternate;
  std::uint32_t number = predicted;
  std::uint64_t target = kToPredicted;
  bool is_new = false;
  if (predicted == 0 || !is_at(record, sites_[predicted])) {
    if (alternate != 0 && is_at(record, sites_[alternate])) {
      number = alternate;
      target = kToAlternate;
    } else if (number = find_site(record); number != 0) {
      target = kToSite + number;
    } else {
      is_new = true;
      number = add_site(record);
      target = predicted == 0 ? kToPredicted : kToNew;
    }
  }

  Site& site = sites_[number];
  const bool patched = !is_new && (record.instructions != site.record.instructions ||
                                   record.depends_on != site.record.depends_on);
  if (target != kToPredicted || patched) {
    put_varint(columns_[kRuns], run_);
    put_varint(columns_[kJumps], target << 1 | (patched ? 1 : 0));
    run_ = 0;
  } else {
    ++run_;
  }
  if (patched) {
    put_varint(columns_[kPatches], record.instructions);
    put_varint(columns_[kPatches], record.depends_on);
    site.record.instructions = record.instructions;
    site.record.depends_on = record.depends_on;
  }
  if (site.moves != 0) move(site, record.address);

  Site& before = sites_[current_];
  if (before.next != number) {
    before.alternate = before.next;
    before.next = number;
  }
  current_ = number;
  ++records_;
  counts_.add(record);
}

void BlockEncoder::finish(std::uint64_t first_record, std::vector<std::uint8_t>& out) {
  const auto begin = out.size();
  std::array<std::size_t, kColumns> stored = {};
  out.resize(begin + kBlockHeaderBytes);
  for (std::size_t i = 0; i < kColumns; ++i) {
    const auto& column = columns_[i];
    if (column.empty()) continue;
    const auto at = out.size();
    out.resize(at + ZSTD_compressBound(column.size()));
    stored[i] =
        ZSTD_compress2(compressor_, out.data() + at, out.size() - at, column.data(), column.size());
    if (ZSTD_isError(stored[i])) throw std::runtime_error(ZSTD_getErrorName(stored[i]));
    out.resize(at + stored[i]);
  }
  const auto payload = begin + kBlockHeaderBytes;

  std::vector<std::uint8_t> header(kBlockMagic.begin(), kBlockMagic.end());
  put(header, records_, 4);
  put(header, first_record, 8);
  for (const auto count : {counts_.reads, counts_.writes, counts_.modifies, counts_.fetches,
                           counts_.events, counts_.instructions})
    put(header, count, 8);
  for (std::size_t i = 0; i < kColumns; ++i) {
    put(header, columns_[i].size(), 4);
    put(header, stored[i], 4);
  }
  put(header, XXH3_64bits(out.data() + payload, out.size() - payload), 8);
  put(header, XXH3_64bits(header.data(), header.size()), 8);
  std::copy(header.begin(), header.end(), out.begin() + static_cast<std::ptrdiff_t>(begin));
  reset();
}

}  // namespace eptsim::sim::own
