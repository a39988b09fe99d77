#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace eptsim::sim {

/// Bytes read front to back: a file, a pipe, or what comes out of a decompressor.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Fills `bytes` from its start and returns how many were read; fewer than asked only at the end,
  /// 0 from then on. Throws InputError with the place in the stored file.
  virtual std::size_t read(std::span<std::byte> bytes) = 0;
  /// Part of the stored file consumed, 0 to 1; nothing for a pipe.
  virtual std::optional<double> fraction_read() const { return std::nullopt; }
};

/// Opens a file, device or pipe; "-" is standard input. Throws InputError if it is missing, can't
/// be read or is a directory.
std::unique_ptr<ByteSource> open_byte_source(const std::string& path);

/// `source` decompressed if its first bytes are those of gzip, xz or zstd, as often as they are
/// (a gzip of an xz is read too); otherwise `source` itself. Several members or frames one after
/// the other count as one. Truncated or damaged compression is an InputError that names the byte of
/// the stored file. `compression` becomes the name, outermost first ("gzip, xz"), or stays empty.
std::unique_ptr<ByteSource> decompressed(std::unique_ptr<ByteSource> source,
                                         const std::string& path, std::string& compression);

}  // namespace eptsim::sim
