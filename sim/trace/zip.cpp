#include "sim/trace/zip.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <new>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kZip64EndSignature = 0x06064b50;
constexpr std::uint32_t kZip64LocatorSignature = 0x07064b50;
constexpr std::uint32_t kDirectorySignature = 0x02014b50;
constexpr std::uint32_t kMemberSignature = 0x04034b50;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kZip64LocatorBytes = 20;
constexpr std::size_t kZip64EndBytes = 56;
constexpr std::size_t kDirectoryEntryBytes = 46;
constexpr std::size_t kMemberHeaderBytes = 30;
constexpr std::uint64_t kLongestComment = 0xffff;
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kDeflated = 8;
constexpr std::uint16_t kZip64Extra = 1;
constexpr std::uint32_t kInZip64 = 0xffffffff;  ///< the value stands in the zip64 extra field

class FileBytes final : public RandomAccessBytes {
 public:
  FileBytes(int descriptor, std::uint64_t size, std::string path)
      : descriptor_(descriptor), size_(size), path_(std::move(path)) {}
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  ~FileBytes() override { ::close(descriptor_); }

  std::uint64_t size() const override { return size_; }
  void read_at(std::uint64_t offset, std::span<std::byte> bytes) const override {
    while (!bytes.empty()) {
      const auto got = ::pread(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0)
        throw InputError(path_ + ": byte " + std::to_string(offset),
                         got == 0 ? "the file ends too early: it is truncated"
                                  : std::string("cannot be read: ") + std::strerror(errno));
      offset += static_cast<std::uint64_t>(got);
      bytes = bytes.subspan(static_cast<std::size_t>(got));
    }
  }

 private:
  int descriptor_;
  std::uint64_t size_;
  std::string path_;
};

class MemoryBytes final : public RandomAccessBytes {
 public:
  MemoryBytes(std::vector<std::byte> content, std::string path)
      : content_(std::move(content)), path_(std::move(path)) {}

  std::uint64_t size() const override { return content_.size(); }
  void read_at(std::uint64_t offset, std::span<std::byte> bytes) const override {
    if (offset > content_.size() || bytes.size() > content_.size() - offset)
      throw InputError(path_ + ": byte " + std::to_string(offset),
                       "the data end too early: they are truncated");
    std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(offset), bytes.size(),
                bytes.begin());
  }

 private:
  std::vector<std::byte> content_;
  std::string path_;
};

/// Reads fields one after the other, and knows when they end.
class Fields {
 public:
  explicit Fields(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool has(std::size_t count) const { return bytes_.size() >= count; }
  template <class Number>
  Number take() {
    const auto value = load_little<Number>(bytes_.data());
    skip(sizeof value);
    return value;
  }
  void skip(std::size_t count) { bytes_ = bytes_.subspan(count); }
  std::span<const std::byte> take_bytes(std::size_t count) {
    const auto first = bytes_.first(count);
    skip(count);
    return first;
  }

 private:
  std::span<const std::byte> bytes_;
};

struct DirectoryPlace {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t members = 0;
};

class DirectoryReader {
 public:
  DirectoryReader(const RandomAccessBytes& bytes, const std::string& name)
      : bytes_(bytes), name_(name) {}

  std::vector<ZipMember> read() const {
    const auto place = find();
    if (place.offset > bytes_.size() || place.bytes > bytes_.size() - place.offset)
      fail(bytes_.size(), "the zip's directory lies outside the file");
    std::vector<std::byte> content(place.bytes);
    bytes_.read_at(place.offset, content);
    Fields fields(content);
    std::vector<ZipMember> members;
    for (std::uint64_t i = 0; i < place.members; ++i)
      members.push_back(take_member(fields, place.offset));
    return members;
  }

 private:
  [[noreturn]] void fail(std::uint64_t offset, const std::string& problem) const {
    throw InputError(name_ + ": byte " + std::to_string(offset), problem);
  }

  /// The end record is the last thing in the file but for a comment of up to 65535 bytes.
  DirectoryPlace find() const {
    const auto size = bytes_.size();
    std::vector<std::byte> tail(std::min(size, kEndBytes + kLongestComment));
    bytes_.read_at(size - tail.size(), tail);
    for (std::size_t i = tail.size() < kEndBytes ? 0 : tail.size() - kEndBytes + 1; i-- > 0;) {
      Fields fields{std::span<const std::byte>(tail).subspan(i)};
      if (fields.take<std::uint32_t>() != kEndSignature) continue;
      fields.skip(6);
      DirectoryPlace place;
      place.members = fields.take<std::uint16_t>();
      place.bytes = fields.take<std::uint32_t>();
      place.offset = fields.take<std::uint32_t>();
      if (fields.take<std::uint16_t>() != tail.size() - i - kEndBytes) continue;
      if (place.members == 0xffff || place.bytes == kInZip64 || place.offset == kInZip64)
        return find_zip64(size - tail.size() + i);
      return place;
    }
    fail(size, "the zip has no directory at its end: the file is truncated or damaged");
  }

  DirectoryPlace find_zip64(std::uint64_t end_offset) const {
    if (end_offset < kZip64LocatorBytes) fail(end_offset, "the zip's zip64 locator is missing");
    std::vector<std::byte> content(kZip64LocatorBytes);
    bytes_.read_at(end_offset - kZip64LocatorBytes, content);
    Fields locator(content);
    if (locator.take<std::uint32_t>() != kZip64LocatorSignature)
      fail(end_offset - kZip64LocatorBytes, "the zip's zip64 locator is missing");
    locator.skip(4);
    const auto offset = locator.take<std::uint64_t>();
    if (offset > bytes_.size() || bytes_.size() - offset < kZip64EndBytes)
      fail(end_offset, "the zip's zip64 directory lies outside the file");
    content.resize(kZip64EndBytes);
    bytes_.read_at(offset, content);
    Fields end(content);
    if (end.take<std::uint32_t>() != kZip64EndSignature)
      fail(offset, "the zip's zip64 end record is missing");
    end.skip(28);
    DirectoryPlace place;
    place.members = end.take<std::uint64_t>();
    place.bytes = end.take<std::uint64_t>();
    place.offset = end.take<std::uint64_t>();
    return place;
  }

  ZipMember take_member(Fields& fields, std::uint64_t directory_offset) const {
    if (!fields.has(kDirectoryEntryBytes)) fail(directory_offset, "the zip's directory is damaged");
    if (fields.take<std::uint32_t>() != kDirectorySignature)
      fail(directory_offset, "the zip's directory is damaged");
    ZipMember member;
    fields.skip(4);
    const bool encrypted = (fields.take<std::uint16_t>() & 1) != 0;
    member.method = fields.take<std::uint16_t>();
    fields.skip(4);
    member.crc = fields.take<std::uint32_t>();
    member.stored_bytes = fields.take<std::uint32_t>();
    member.bytes = fields.take<std::uint32_t>();
    const std::size_t name_bytes = fields.take<std::uint16_t>();
    const std::size_t extra_bytes = fields.take<std::uint16_t>();
    const std::size_t comment_bytes = fields.take<std::uint16_t>();
    fields.skip(8);
    member.header_offset = fields.take<std::uint32_t>();
    if (!fields.has(name_bytes + extra_bytes + comment_bytes))
      fail(directory_offset, "the zip's directory is damaged");
    const auto name = fields.take_bytes(name_bytes);
    member.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
    apply_zip64(fields.take_bytes(extra_bytes), member);
    fields.skip(comment_bytes);
    if (encrypted) fail(member.header_offset, "the zip's member " + member.name + " is encrypted");
    return member;
  }

  static void apply_zip64(std::span<const std::byte> extra, ZipMember& member) {
    for (Fields fields(extra); fields.has(4);) {
      const auto id = fields.take<std::uint16_t>();
      const std::size_t length = fields.take<std::uint16_t>();
      if (!fields.has(length)) return;
      Fields field(fields.take_bytes(length));
      if (id != kZip64Extra) continue;
      for (auto* value : {&member.bytes, &member.stored_bytes, &member.header_offset})
        if (*value == kInZip64 && field.has(8)) *value = field.take<std::uint64_t>();
    }
  }

  const RandomAccessBytes& bytes_;
  const std::string& name_;
};

class MemberSource final : public ByteSource {
 public:
  MemberSource(const RandomAccessBytes& bytes, const ZipMember& member, const std::string& archive)
      : bytes_(bytes), member_(member), archive_(archive), buffer_(std::size_t{64} * 1024) {
    if (member.method != kStored && member.method != kDeflated)
      fail(fmt::format("is compressed by method {}, expected 0 (stored) or 8 (deflated)",
                       member.method));
    std::vector<std::byte> content(kMemberHeaderBytes);
    bytes_.read_at(member.header_offset, content);
    Fields header(content);
    if (header.take<std::uint32_t>() != kMemberSignature) fail("isn't where the directory says");
    header.skip(22);
    const std::uint64_t name_bytes = header.take<std::uint16_t>();
    const std::uint64_t extra_bytes = header.take<std::uint16_t>();
    begin_ = at_ = member.header_offset + kMemberHeaderBytes + name_bytes + extra_bytes;
    if (at_ > bytes_.size() || member.stored_bytes > bytes_.size() - at_)
      fail("lies partly outside the file: it is truncated or damaged");
    if (member.method == kDeflated && inflateInit2(&stream_, kRawDeflate) != Z_OK)
      throw std::bad_alloc();
  }
  MemberSource(const MemberSource&) = delete;
  MemberSource& operator=(const MemberSource&) = delete;
  ~MemberSource() override {
    if (member_.method == kDeflated) inflateEnd(&stream_);
  }

  std::size_t read(std::span<std::byte> bytes) override {
    std::size_t done = 0;
    while (done < bytes.size() && given_ < member_.bytes) {
      const auto room = bytes.subspan(done).first(
          std::min<std::uint64_t>(bytes.size() - done, member_.bytes - given_));
      const auto got = member_.method == kStored ? copy(room) : decompress(room);
      crc_ = static_cast<std::uint32_t>(
          crc32_z(crc_, reinterpret_cast<const Bytef*>(room.data()), got));
      given_ += got;
      done += got;
      if (given_ == member_.bytes && crc_ != member_.crc)
        fail("doesn't match its CRC: the file is damaged");
    }
    return done;
  }

 private:
  static constexpr int kRawDeflate = -15;

  [[noreturn]] void fail(const std::string& problem) const {
    throw InputError(archive_ + ": byte " + std::to_string(at_ != 0 ? at_ : member_.header_offset),
                     "the zip's member " + member_.name + " " + problem);
  }

  std::size_t copy(std::span<std::byte> room) {
    const auto count = std::min<std::uint64_t>(room.size(), end() - at_);
    if (count == 0) fail("is shorter than the directory says");
    bytes_.read_at(at_, room.first(count));
    at_ += count;
    return count;
  }

  std::size_t decompress(std::span<std::byte> room) {
    if (stream_.avail_in == 0 && at_ < end()) {
      const auto count = std::min<std::uint64_t>(buffer_.size(), end() - at_);
      bytes_.read_at(at_, std::span(buffer_).first(count));
      at_ += count;
      stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
      stream_.avail_in = static_cast<uInt>(count);
    }
    stream_.next_out = reinterpret_cast<Bytef*>(room.data());
    stream_.avail_out =
        static_cast<uInt>(std::min<std::size_t>(room.size(), std::numeric_limits<uInt>::max()));
    const auto before = stream_.avail_out;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    const std::size_t got = before - stream_.avail_out;
    if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
      fail(std::string("is damaged: ") +
           (stream_.msg != nullptr ? stream_.msg : "no reason given"));
    if (got == 0 && (status == Z_STREAM_END || (at_ == end() && stream_.avail_in == 0)))
      fail("is shorter than the directory says");
    return got;
  }

  std::uint64_t end() const { return begin_ + member_.stored_bytes; }

  const RandomAccessBytes& bytes_;
  ZipMember member_;
  std::string archive_;
  std::vector<std::byte> buffer_;
  std::uint64_t begin_ = 0;
  std::uint64_t at_ = 0;
  std::uint64_t given_ = 0;
  std::uint32_t crc_ = 0;
  z_stream stream_ = {};
};

}  // namespace

std::unique_ptr<RandomAccessBytes> open_random_access(const std::string& path, ByteStream& stream) {
  if (path != "-" && stream.compression().empty()) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status = {};
    if (descriptor >= 0 && ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode))
      return std::make_unique<FileBytes>(descriptor, static_cast<std::uint64_t>(status.st_size),
                                         path);
    if (descriptor >= 0) ::close(descriptor);
  }
  std::vector<std::byte> content;
  for (auto some = stream.peek_some(); !some.empty(); some = stream.peek_some()) {
    content.insert(content.end(), some.begin(), some.end());
    stream.consume(some.size());
  }
  return std::make_unique<MemoryBytes>(std::move(content), stream.name());
}

std::vector<ZipMember> read_zip_directory(const RandomAccessBytes& bytes, const std::string& name) {
  return DirectoryReader(bytes, name).read();
}

std::unique_ptr<ByteSource> open_zip_member(const RandomAccessBytes& bytes, const ZipMember& member,
                                            const std::string& archive) {
  return std::make_unique<MemberSource>(bytes, member, archive);
}

}  // namespace eptsim::sim
