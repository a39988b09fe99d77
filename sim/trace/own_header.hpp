#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sim/trace/own_format.hpp"

/// The two ends of a file in the own format: header and index.
namespace eptsim::sim::own {

/// The header as bytes. Throws std::invalid_argument if a note can't be written (a line break, or a
/// colon in its key, or a key that has a meaning of its own).
std::vector<std::uint8_t> encode_header(const Header& header);

/// Length in bytes of the whole header, which starts with `fixed` (kFixedHeaderBytes bytes). Throws
/// InputError with `path` if this is no such header, or of a version that isn't known.
std::size_t header_length(std::span<const std::byte> fixed, const std::string& path);

/// Reads a header of header_length() bytes. Throws InputError if it is damaged.
Header decode_header(std::span<const std::byte> bytes, const std::string& path);

struct IndexEntry {
  std::uint64_t offset = 0;        ///< of the block in the file
  std::uint64_t first_record = 0;  ///< its number, from 0
  std::uint32_t records = 0;
  std::uint32_t bytes = 0;  ///< of the block
  bool operator==(const IndexEntry&) const = default;
};

struct Index {
  std::vector<IndexEntry> blocks;
  Counts counts;
  std::uint64_t hash_low = 0;  ///< XXH3-128 of the header and of each block's header checksum
  std::uint64_t hash_high = 0;
  bool operator==(const Index&) const = default;
};

constexpr std::size_t kIndexEntryBytes = 8 + 8 + 4 + 4;
constexpr std::size_t kIndexFixedBytes = 4 + 4 + kCountsBytes + 16 + 8;
constexpr std::size_t kTrailerBytes = 8 + 8;  ///< the index's offset and kEndMagic

/// The index and the trailer as bytes; `offset` is where they will stand.
std::vector<std::uint8_t> encode_index(const Index& index, std::uint64_t offset);

/// Length in bytes of index and trailer, which start with `fixed` (8 bytes).
std::uint64_t index_length(std::span<const std::byte> fixed);

/// Reads index_length() bytes found at `offset`. Throws InputError with `place` if they are
/// damaged.
Index decode_index(std::span<const std::byte> bytes, std::uint64_t offset,
                   const std::string& place);

/// Collects an index block by block, by the writer and by whoever rebuilds a missing one.
class IndexBuilder {
 public:
  /// `header` is the whole file header's bytes.
  explicit IndexBuilder(std::span<const std::byte> header);
  IndexBuilder(const IndexBuilder&) = delete;
  IndexBuilder& operator=(const IndexBuilder&) = delete;
  ~IndexBuilder();

  void add(const IndexEntry& entry, const Counts& counts, std::uint64_t header_checksum);
  /// The index so far.
  Index index() const;

 private:
  Index index_;
  void* hash_;  ///< an XXH3_state_t, whose header stays out of this one
};

}  // namespace eptsim::sim::own
