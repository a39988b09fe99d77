// Decompression by magic bytes. Each decompressor is a ByteSource on top of another one; members
// (gzip), streams (xz) and frames (zstd) that follow one another are read as one.
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "sim/input_error.hpp"
#include "sim/trace/byte_source.hpp"

namespace eptsim::sim {
namespace {

constexpr std::size_t kChunk = std::size_t{128} * 1024;

/// A source of which the first bytes were looked at, whole again.
class PrefixedSource final : public ByteSource {
 public:
  PrefixedSource(std::vector<std::byte> prefix, std::unique_ptr<ByteSource> rest)
      : prefix_(std::move(prefix)), rest_(std::move(rest)) {}

  std::size_t read(std::span<std::byte> bytes) override {
    const auto from_prefix = std::min(bytes.size(), prefix_.size() - used_);
    std::copy_n(prefix_.begin() + static_cast<std::ptrdiff_t>(used_), from_prefix, bytes.begin());
    used_ += from_prefix;
    if (from_prefix == bytes.size()) return from_prefix;
    return from_prefix + rest_->read(bytes.subspan(from_prefix));
  }
  std::optional<double> fraction_read() const override { return rest_->fraction_read(); }

 private:
  std::vector<std::byte> prefix_;
  std::unique_ptr<ByteSource> rest_;
  std::size_t used_ = 0;
};

/// What the three have in common: a buffer of compressed bytes and the place in it.
class Decompressor : public ByteSource {
 public:
  Decompressor(std::unique_ptr<ByteSource> source, std::string path, const char* format)
      : source_(std::move(source)), path_(std::move(path)), format_(format), buffer_(kChunk) {}

  std::size_t read(std::span<std::byte> bytes) final {
    std::size_t done = 0;
    while (done < bytes.size() && !ended_) {
      if (used_ == filled_ && !source_ended_) refill();
      done += step(bytes.subspan(done));
    }
    return done;
  }
  std::optional<double> fraction_read() const final { return source_->fraction_read(); }

 protected:
  /// Decompresses some of input() into `bytes`; calls consume() and, when all is done, end().
  virtual std::size_t step(std::span<std::byte> bytes) = 0;

  std::span<const std::byte> input() const {
    return std::span(buffer_).subspan(used_, filled_ - used_);
  }
  void consume(std::size_t bytes) { used_ += bytes; }
  bool no_more_input() const { return source_ended_ && used_ == filled_; }
  void end() { ended_ = true; }

  [[noreturn]] void fail(const std::string& problem) const {
    throw InputError(path_ + ": byte " + std::to_string(before_ + used_),
                     std::string(format_) + " data " + problem);
  }
  [[noreturn]] void fail_truncated() const { fail("ends in the middle: the file is truncated"); }
  [[noreturn]] void fail_trailing() const { fail("is followed by bytes that are something else"); }

 private:
  void refill() {
    before_ += filled_;
    used_ = 0;
    filled_ = source_->read(buffer_);
    source_ended_ = filled_ < buffer_.size();
  }

  std::unique_ptr<ByteSource> source_;
  std::string path_;
  const char* format_;
  std::vector<std::byte> buffer_;
  std::size_t used_ = 0;
  std::size_t filled_ = 0;
  std::uint64_t before_ = 0;  ///< offset of the buffer in the stored bytes
  bool source_ended_ = false;
  bool ended_ = false;
};

class GzipSource final : public Decompressor {
 public:
  GzipSource(std::unique_ptr<ByteSource> source, const std::string& path)
      : Decompressor(std::move(source), path, "gzip") {
    if (inflateInit2(&stream_, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;
  ~GzipSource() override { inflateEnd(&stream_); }

 private:
  static constexpr int kGzipOnly = 15 + 16;

  std::size_t step(std::span<std::byte> bytes) override {
    if (between_members_) {
      if (no_more_input()) return end(), 0;
      if (input().front() != std::byte{0x1f}) fail_trailing();
      inflateReset(&stream_);
      between_members_ = false;
    }
    if (no_more_input()) fail_truncated();
    const auto in = input();
    const auto room = static_cast<uInt>(std::min<std::size_t>(bytes.size(), kChunk));
    // zlib's interface isn't const, but it doesn't write there.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(bytes.data());
    stream_.avail_out = room;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    consume(in.size() - stream_.avail_in);
    if (status == Z_STREAM_END)
      between_members_ = true;
    else if (status != Z_OK && status != Z_BUF_ERROR)
      fail(std::string("is damaged: ") +
           (stream_.msg != nullptr ? stream_.msg : "no reason given"));
    return room - stream_.avail_out;
  }

  z_stream stream_ = {};
  bool between_members_ = false;
};

class XzSource final : public Decompressor {
 public:
  XzSource(std::unique_ptr<ByteSource> source, const std::string& path)
      : Decompressor(std::move(source), path, "xz") {
    if (lzma_stream_decoder(&stream_, UINT64_MAX, LZMA_CONCATENATED) != LZMA_OK)
      throw std::bad_alloc();
  }
  XzSource(const XzSource&) = delete;
  XzSource& operator=(const XzSource&) = delete;
  ~XzSource() override { lzma_end(&stream_); }

 private:
  std::size_t step(std::span<std::byte> bytes) override {
    const auto in = input();
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(bytes.data());
    stream_.avail_out = bytes.size();
    const auto status = lzma_code(&stream_, in.empty() ? LZMA_FINISH : LZMA_RUN);
    consume(in.size() - stream_.avail_in);
    switch (status) {
      case LZMA_OK: break;
      case LZMA_STREAM_END: end(); break;
      case LZMA_BUF_ERROR:
        if (no_more_input()) fail_truncated();
        break;
      case LZMA_MEM_ERROR: throw std::bad_alloc();
      case LZMA_FORMAT_ERROR: fail_trailing();
      case LZMA_OPTIONS_ERROR: fail("uses an option that this liblzma doesn't know");
      default: fail("is damaged, or followed by bytes that are something else");
    }
    return bytes.size() - stream_.avail_out;
  }

  lzma_stream stream_ = LZMA_STREAM_INIT;
};

class ZstdSource final : public Decompressor {
 public:
  ZstdSource(std::unique_ptr<ByteSource> source, const std::string& path)
      : Decompressor(std::move(source), path, "zstd"), stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) throw std::bad_alloc();
    // Frames made with --long have larger windows than the default limit allows.
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, 31);
  }
  ZstdSource(const ZstdSource&) = delete;
  ZstdSource& operator=(const ZstdSource&) = delete;
  ~ZstdSource() override { ZSTD_freeDStream(stream_); }

 private:
  std::size_t step(std::span<std::byte> bytes) override {
    if (between_frames_ && no_more_input()) return end(), 0;
    const auto in = input();
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{bytes.data(), bytes.size(), 0};
    const auto status = ZSTD_decompressStream(stream_, &to, &from);
    consume(from.pos);
    if (ZSTD_isError(status)) {
      if (ZSTD_getErrorCode(status) == ZSTD_error_prefix_unknown) fail_trailing();
      fail(std::string("is damaged: ") + ZSTD_getErrorName(status));
    }
    between_frames_ = status == 0;
    if (!between_frames_ && to.pos == 0 && no_more_input()) fail_truncated();
    return to.pos;
  }

  ZSTD_DStream* stream_;
  bool between_frames_ = false;
};

bool starts_with(std::span<const std::byte> bytes, std::span<const unsigned char> magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

/// A zstd file may begin with a skippable frame, of which 16 magic numbers exist.
bool is_zstd(std::span<const std::byte> bytes) {
  constexpr std::array<unsigned char, 4> kFrame = {0x28, 0xb5, 0x2f, 0xfd};
  constexpr std::array<unsigned char, 3> kSkippable = {0x2a, 0x4d, 0x18};
  return starts_with(bytes, kFrame) ||
         (bytes.size() >= 4 && (std::to_integer<unsigned>(bytes[0]) & 0xf0u) == 0x50 &&
          starts_with(bytes.subspan(1), kSkippable));
}

}  // namespace

std::unique_ptr<ByteSource> decompressed(std::unique_ptr<ByteSource> source,
                                         const std::string& path, std::string& compression) {
  constexpr std::array<unsigned char, 3> kGzip = {0x1f, 0x8b, 0x08};
  constexpr std::array<unsigned char, 6> kXz = {0xfd, '7', 'z', 'X', 'Z', 0x00};
  constexpr int kDeepest = 4;  // a file may be made to decompress to itself
  const std::string inner_path = path + ", decompressed";
  for (int depth = 0;; ++depth) {
    std::vector<std::byte> start(6);
    start.resize(source->read(start));
    const bool gzip = starts_with(start, kGzip);
    const bool xz = starts_with(start, kXz);
    const bool zstd = is_zstd(start);
    source = std::make_unique<PrefixedSource>(start, std::move(source));
    if (!gzip && !xz && !zstd) return source;
    if (depth == kDeepest) throw InputError(path, "is compressed too many times over");
    const auto& place = depth == 0 ? path : inner_path;
    if (!compression.empty()) compression += ", ";
    if (gzip) {
      compression += "gzip";
      source = std::make_unique<GzipSource>(std::move(source), place);
    } else if (xz) {
      compression += "xz";
      source = std::make_unique<XzSource>(std::move(source), place);
    } else {
      compression += "zstd";
      source = std::make_unique<ZstdSource>(std::move(source), place);
    }
  }
}

}  // namespace eptsim::sim
