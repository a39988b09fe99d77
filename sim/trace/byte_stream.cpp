#include "sim/trace/byte_stream.hpp"

namespace eptsim::sim {

ByteStream::ByteStream(const std::string& path) : name_(path == "-" ? "standard input" : path) {
  source_ = decompressed(open_byte_source(path), name_, compression_);
}

ByteStream::ByteStream(std::unique_ptr<ByteSource> source, std::string name)
    : name_(std::move(name)), source_(std::move(source)) {}

void ByteStream::refill(std::size_t bytes) {
  if (source_ended_) return;
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
            buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
  before_ += begin_;
  end_ -= begin_;
  begin_ = 0;
  const auto wanted = std::max(bytes, kRefill);
  if (buffer_.size() < wanted) buffer_.resize(wanted);
  const auto room = std::span(buffer_).subspan(end_);
  const auto got = source_->read(room);
  source_ended_ = got < room.size();
  end_ += got;
}

std::string ByteStream::place(std::uint64_t offset) const {
  return name_ + ": byte " + std::to_string(offset) +
         (compression_.empty() ? "" : " of the decompressed data");
}

std::string ByteStream::place(std::uint64_t offset, std::uint64_t record) const {
  return place(offset) + ", record " + std::to_string(record);
}

}  // namespace eptsim::sim
