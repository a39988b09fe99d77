#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sim/trace/byte_stream.hpp"

namespace eptsim::sim {

/// Bytes of which any part can be read: what a zip's directory, at its end, asks for.
class RandomAccessBytes {
 public:
  virtual ~RandomAccessBytes() = default;
  virtual std::uint64_t size() const = 0;
  /// Throws InputError if the bytes from `offset` aren't there.
  virtual void read_at(std::uint64_t offset, std::span<std::byte> bytes) const = 0;
};

/// The file at `path`, or, for a pipe or where it is compressed as a whole, all that is left in
/// `stream`, which was opened from it, held in memory.
std::unique_ptr<RandomAccessBytes> open_random_access(const std::string& path, ByteStream& stream);

/// A member of a zip archive, from its directory.
struct ZipMember {
  std::string name;
  std::uint16_t method = 0;  ///< 0 stored, 8 deflated
  std::uint32_t crc = 0;     ///< CRC-32 of the content
  std::uint64_t stored_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t header_offset = 0;
};

/// The members in the order of the central directory, zip64 included. Throws InputError, with
/// `name` as the archive's, if the directory is missing or damaged.
std::vector<ZipMember> read_zip_directory(const RandomAccessBytes& bytes, const std::string& name);

/// The content of a member, whose length and CRC are checked at its end. `bytes` must outlive it.
std::unique_ptr<ByteSource> open_zip_member(const RandomAccessBytes& bytes, const ZipMember& member,
                                            const std::string& archive);

}  // namespace eptsim::sim
