#include "sim/trace/own_reader.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

/// Accesses of the whole trace from the index of a plain file; nothing for a pipe, a compressed
/// file or one without an index.
std::optional<std::uint64_t> accesses_in_index(const ByteStream& stream) {
  if (!stream.compression().empty()) return std::nullopt;
  const int descriptor = ::open(stream.name().c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return std::nullopt;
  const auto read_at = [&](std::span<std::byte> bytes, std::uint64_t offset) {
    return ::pread(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
           static_cast<ssize_t>(bytes.size());
  };
  std::optional<std::uint64_t> result;
  struct stat status = {};
  std::array<std::byte, own::kTrailerBytes> trailer;
  std::array<std::byte, own::kIndexFixedBytes> fixed;
  if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) {
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size > trailer.size() && read_at(trailer, size - trailer.size()) &&
        std::memcmp(trailer.data() + 8, own::kEndMagic.data(), own::kEndMagic.size()) == 0 &&
        read_at(fixed, load_little<std::uint64_t>(trailer.data())) &&
        std::memcmp(fixed.data(), own::kIndexMagic.data(), own::kIndexMagic.size()) == 0) {
      std::uint64_t sum = 0;  // reads, writes, modifies and fetches stand first among the counts
      for (std::size_t i = 0; i < 4; ++i)
        sum += load_little<std::uint64_t>(fixed.data() + 8 + 8 * i);
      result = sum;
    }
  }
  ::close(descriptor);
  return result;
}

}  // namespace

OwnTraceReader::OwnTraceReader(ByteStream stream, unsigned linear_bits)
    : stream_(std::move(stream)), linear_bits_(linear_bits) {
  const auto length = own::header_length(stream_.peek(own::kFixedHeaderBytes), stream_.name());
  const auto bytes = stream_.peek(length);
  if (bytes.size() < length)
    throw InputError(stream_.place(stream_.offset() + bytes.size()),
                     "the file ends inside the trace's header: it is truncated");
  header_ = own::decode_header(bytes, stream_.name());
  index_ = std::make_unique<own::IndexBuilder>(bytes);
  stream_.consume(length);
  total_ = accesses_in_index(stream_);
}

void OwnTraceReader::check_index(std::uint64_t offset) {
  const auto expected = index_->index();
  if (load_little<std::uint32_t>(stream_.peek(8).data() + 4) != expected.blocks.size())
    throw InputError(stream_.place(offset), "the trace's index doesn't match its blocks");
  const auto length = own::index_length(stream_.peek(8));
  const auto bytes = stream_.peek(length);
  if (bytes.size() < length)
    throw InputError(stream_.place(offset + bytes.size()),
                     "the file ends inside the trace's index: it is truncated");
  if (own::decode_index(bytes, offset, stream_.place(offset)) != expected)
    throw InputError(stream_.place(offset), "the trace's index doesn't match its blocks");
  stream_.consume(length);
  if (!stream_.peek(1).empty())
    throw InputError(stream_.place(stream_.offset()), "the trace is followed by other bytes");
  found_index_ = true;
}

std::vector<LinearArea> OwnTraceReader::areas() const {
  std::vector<LinearArea> areas;
  for (const own::PageHint& hint : header_.page_hints) areas.push_back({hint.begin, hint.end});
  return areas;
}

bool OwnTraceReader::next_block() {
  const auto offset = stream_.offset();
  const auto start = stream_.peek(own::kBlockHeaderBytes);
  if (start.empty()) return false;
  if (start.size() >= 8 &&
      std::memcmp(start.data(), own::kIndexMagic.data(), own::kIndexMagic.size()) == 0) {
    check_index(offset);
    return false;
  }
  const auto place = stream_.place(offset, records_);
  if (start.size() < own::kBlockHeaderBytes)
    throw InputError(place, "the file ends inside a block: it is truncated");
  const auto block = own::parse_block_header(start, place);
  if (block.first_record != records_)
    throw InputError(place, fmt::format("the block begins with record {}: a part is missing",
                                        block.first_record));
  const auto length = own::kBlockHeaderBytes + block.payload_bytes();
  const auto bytes = stream_.peek(length);
  if (bytes.size() < length)
    throw InputError(place, "the file ends inside a block: it is truncated");
  decoder_.begin(block, bytes.subspan(own::kBlockHeaderBytes), place);
  stream_.consume(length);
  block_offset_ = offset;
  index_->add({offset, block.first_record, block.records, static_cast<std::uint32_t>(length)},
              block.counts, block.header_checksum);
  return true;
}

std::size_t OwnTraceReader::read(std::span<Record> records) {
  if (bad_record_) fail_not_canonical(*bad_record_);
  std::size_t count = 0;
  while (count == 0 && !ended_ && !records.empty()) {
    count = decoder_.decode(records);
    if (count == 0) ended_ = !next_block();
  }
  if (const auto bad = find_address_not_canonical(records.first(count)); bad < count) {
    // What came before is given first; the next call finds the record again.
    if (bad == 0) fail_not_canonical(records[0]);
    bad_record_ = records[bad];
    count = bad;
  }
  records_ += count;
  return count;
}

std::size_t OwnTraceReader::find_address_not_canonical(std::span<const Record> records) const {
  const auto is_bad = [&](const Record& record) {
    return is_access(record.kind) && !is_canonical(record.address, linear_bits_);
  };
  // Nearly never, as the decoder has seen: all bits from the highest on are alike.
  if (decoder_.bits_unlike_sign() >> (linear_bits_ - 1) == 0) return records.size();
  return static_cast<std::size_t>(std::find_if(records.begin(), records.end(), is_bad) -
                                  records.begin());
}

void OwnTraceReader::fail_not_canonical(const Record& record) const {
  throw InputError(stream_.place(block_offset_, records_),
                   fmt::format("address {:#x} isn't canonical, expected one of {} bits",
                               record.address, linear_bits_));
}

OwnTraceFile::OwnTraceFile(const std::string& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0)
    throw InputError(path, std::string("cannot be opened: ") + std::strerror(errno));
  try {
    struct stat status = {};
    if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode))
      throw InputError(path, "isn't a file, of which any part could be read");
    const auto size = static_cast<std::uint64_t>(status.st_size);
    const auto fixed = bytes(0, std::min<std::uint64_t>(size, own::kFixedHeaderBytes));
    const auto length = own::header_length(fixed, path);
    if (length > size)
      throw InputError(place(size), "the file ends inside the trace's header: it is truncated");
    const auto header = bytes(0, length);
    header_ = own::decode_header(header, path);
    had_index_ = load_index(size);
    if (!had_index_) rebuild_index(header, size);
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

OwnTraceFile::~OwnTraceFile() { ::close(descriptor_); }

std::string OwnTraceFile::place(std::uint64_t offset) const {
  return path_ + ": byte " + std::to_string(offset);
}

std::vector<std::byte> OwnTraceFile::bytes(std::uint64_t offset, std::uint64_t count) const {
  std::vector<std::byte> result(count);
  std::size_t done = 0;
  while (done < count) {
    const auto got =
        ::pread(descriptor_, result.data() + done, count - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw InputError(place(offset), std::string("cannot be read: ") + std::strerror(errno));
    if (got == 0) throw InputError(place(offset + done), "the file has become shorter");
    done += static_cast<std::size_t>(got);
  }
  return result;
}

bool OwnTraceFile::load_index(std::uint64_t size) {
  if (size < own::kTrailerBytes) return false;
  const auto trailer = bytes(size - own::kTrailerBytes, own::kTrailerBytes);
  if (std::memcmp(trailer.data() + 8, own::kEndMagic.data(), own::kEndMagic.size()) != 0)
    return false;
  const auto offset = load_little<std::uint64_t>(trailer.data());
  if (offset > size || size - offset < own::kIndexFixedBytes + own::kTrailerBytes ||
      own::index_length(bytes(offset, 8)) != size - offset)
    throw InputError(place(size - own::kTrailerBytes), "the trace's index is damaged");
  index_ = own::decode_index(bytes(offset, size - offset), offset, place(offset));
  for (const auto& block : index_.blocks)
    if (block.offset > offset || block.bytes > offset - block.offset)
      throw InputError(place(offset), "the trace's index names a block outside the file");
  return true;
}

void OwnTraceFile::rebuild_index(std::span<const std::byte> header, std::uint64_t size) {
  own::IndexBuilder builder(header);
  for (std::uint64_t offset = header.size(); offset < size;) {
    if (size - offset < own::kBlockHeaderBytes)
      throw InputError(place(offset), "the file ends inside a block: it is truncated");
    const auto block =
        own::parse_block_header(bytes(offset, own::kBlockHeaderBytes), place(offset));
    const auto length = own::kBlockHeaderBytes + block.payload_bytes();
    if (length > size - offset)
      throw InputError(place(offset), "the file ends inside a block: it is truncated");
    builder.add({offset, block.first_record, block.records, static_cast<std::uint32_t>(length)},
                block.counts, block.header_checksum);
    offset += length;
  }
  index_ = builder.index();
}

bool OwnTraceFile::has_contexts() const {
  return std::ranges::any_of(index_.blocks, [&](const auto& entry) {
    const auto at = place(entry.offset);
    const auto header = bytes(entry.offset, own::kBlockHeaderBytes);
    return own::parse_block_header(header, at).columns[own::kContexts].raw != 0;
  });
}

std::vector<Record> OwnTraceFile::block(std::size_t number) const {
  const auto& entry = index_.blocks.at(number);
  const auto at = place(entry.offset);
  const auto stored = bytes(entry.offset, entry.bytes);
  const std::span<const std::byte> all(stored);
  if (all.size() < own::kBlockHeaderBytes) throw InputError(at, "the block is too short");
  const auto header = own::parse_block_header(all, at);
  if (header.payload_bytes() != all.size() - own::kBlockHeaderBytes ||
      header.records != entry.records)
    throw InputError(at, "the block isn't as long as the trace's index says");
  own::BlockDecoder decoder;
  decoder.begin(header, all.subspan(own::kBlockHeaderBytes), at);
  std::vector<Record> records(header.records);
  decoder.decode(records);
  return records;
}

}  // namespace eptsim::sim
