#include "sim/trace/dynamorio.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace eptsim::sim {
namespace {

constexpr std::size_t kEntryBytes = 12;
constexpr std::string_view kChunkPrefix = "chunk.";

// Types of entries.
constexpr std::uint16_t kRead = 0;
constexpr std::uint16_t kWrite = 1;
constexpr std::uint16_t kFirstInstruction = 10;
constexpr std::uint16_t kLastInstruction = 16;
constexpr std::uint16_t kHeader = 25;
constexpr std::uint16_t kFooter = 26;
constexpr std::uint16_t kInstructionWithoutFetch = 29;  ///< a further turn of a repeated one
constexpr std::uint16_t kSystemCallInstruction = 31;
constexpr std::uint16_t kTakenJump = 48;
constexpr std::uint16_t kUntakenJump = 49;
constexpr std::uint16_t kLastType = 49;

constexpr bool is_instruction(std::uint16_t type) {
  return (type >= kFirstInstruction && type <= kLastInstruction) ||
         type == kSystemCallInstruction || type == kTakenJump || type == kUntakenJump;
}

}  // namespace

DynamorioReader::DynamorioReader(std::unique_ptr<RandomAccessBytes> archive, std::string name,
                                 unsigned linear_bits)
    : archive_(std::move(archive)), name_(std::move(name)), linear_bits_(linear_bits) {
  for (auto& member : read_zip_directory(*archive_, name_))
    if (member.name.starts_with(kChunkPrefix)) chunks_.push_back(std::move(member));
  if (chunks_.empty())
    throw InputError(name_, "is a zip without members chunk.NNNN, so no trace of DynamoRIO's");
  std::sort(chunks_.begin(), chunks_.end(), [](const ZipMember& a, const ZipMember& b) {
    return std::pair(a.name.size(), a.name) < std::pair(b.name.size(), b.name);
  });
  for (const auto& chunk : chunks_) total_bytes_ += chunk.bytes;
  Entry first;
  if (!next_entry(first) || first.type != kHeader)
    throw InputError(name_,
                     "doesn't begin with DynamoRIO's header, expected a post-processed trace");
}

std::optional<double> DynamorioReader::fraction_read() const {
  if (total_bytes_ == 0) return std::nullopt;
  return static_cast<double>(entry_ * kEntryBytes) / static_cast<double>(total_bytes_);
}

void DynamorioReader::fail(const std::string& problem) const {
  const auto where = chunk_ ? chunk_->place(entry_offset_, entry_) : name_;
  throw InputError(where, problem);
}

bool DynamorioReader::open_next_chunk() {
  if (next_chunk_ == chunks_.size()) return false;
  const auto& member = chunks_[next_chunk_++];
  chunk_.emplace(open_zip_member(*archive_, member, name_), name_ + ", member " + member.name);
  return true;
}

bool DynamorioReader::next_entry(Entry& entry) {
  std::span<const std::byte> bytes;
  do {
    if (chunk_) bytes = chunk_->peek(kEntryBytes);
  } while (bytes.empty() && open_next_chunk());
  if (bytes.empty()) return false;
  entry_offset_ = chunk_->offset();
  ++entry_;
  if (bytes.size() < kEntryBytes)
    fail(fmt::format("the member ends after {} of the record's {} bytes", bytes.size(),
                     kEntryBytes));
  entry.type = load_little<std::uint16_t>(bytes.data());
  entry.size = load_little<std::uint16_t>(bytes.data() + 2);
  entry.address = load_little<std::uint64_t>(bytes.data() + 4);
  chunk_->consume(kEntryBytes);
  return true;
}

bool DynamorioReader::next(Record& record) {
  for (Entry entry; next_entry(entry);) {
    if (entry.type > kLastType) fail(fmt::format("record of unknown type {}", entry.type));
    if (entry.type == kFooter) ended_ = true;
    if (entry.type == kInstructionWithoutFetch) ip_ = entry.address;
    const bool instruction = is_instruction(entry.type);
    if (!instruction && entry.type != kRead && entry.type != kWrite) continue;
    if (!is_canonical(entry.address, linear_bits_))
      fail(fmt::format("address {:#x} isn't canonical, expected one of {} bits", entry.address,
                       linear_bits_));
    if (instruction) ip_ = entry.address;
    record = Record{};
    record.address = entry.address;
    record.ip = ip_;
    record.size = entry.size;
    record.instructions = instruction ? 1 : 0;
    record.kind = instruction            ? RecordKind::kFetch
                  : entry.type == kWrite ? RecordKind::kWrite
                                         : RecordKind::kRead;
    return true;
  }
  if (!ended_) fail("the trace has no footer: it is truncated");
  return false;
}

}  // namespace eptsim::sim
