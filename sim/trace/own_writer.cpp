#include "sim/trace/own_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sim/input_error.hpp"

namespace eptsim::sim {

OwnTraceWriter::OwnTraceWriter(const std::string& path, const own::Header& header, Options options)
    : path_(path),
      options_(options),
      header_(own::encode_header(header)),
      index_(std::as_bytes(std::span(header_))),
      encoder_(options.level) {
  options_.block_records =
      std::clamp<std::uint32_t>(options.block_records, 1, own::kMaxBlockRecords);
  struct stat status = {};
  if (path == "-") {
    descriptor_ = STDOUT_FILENO;
  } else if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    descriptor_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    working_path_ = path + ".part";
    descriptor_ = ::open(working_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  }
  if (descriptor_ < 0)
    throw InputError(path_, std::string("cannot be written: ") + std::strerror(errno));
  try {
    write(header_);
  } catch (...) {
    if (descriptor_ != STDOUT_FILENO) ::close(descriptor_);
    if (!working_path_.empty()) ::unlink(working_path_.c_str());
    throw;
  }
}

OwnTraceWriter::~OwnTraceWriter() {
  if (descriptor_ < 0) return;
  if (descriptor_ != STDOUT_FILENO) ::close(descriptor_);
  if (!working_path_.empty()) ::unlink(working_path_.c_str());
}

void OwnTraceWriter::write(std::span<const std::uint8_t> bytes) {
  offset_ += bytes.size();
  while (!bytes.empty()) {
    const auto written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      throw InputError(path_, std::string("cannot be written: ") + std::strerror(errno));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void OwnTraceWriter::write_block() {
  const auto counts = encoder_.counts();
  own::IndexEntry entry;
  entry.offset = offset_;
  entry.first_record = written_;
  entry.records = encoder_.records();
  block_.clear();
  encoder_.finish(written_, block_);
  entry.bytes = static_cast<std::uint32_t>(block_.size());
  std::uint64_t checksum;
  std::memcpy(&checksum, block_.data() + own::kBlockHeaderBytes - sizeof checksum, sizeof checksum);
  write(block_);
  index_.add(entry, counts, checksum);
  written_ += entry.records;
}

own::Index OwnTraceWriter::finish() {
  if (encoder_.records() > 0) write_block();
  auto index = index_.index();
  write(own::encode_index(index, offset_));
  if (descriptor_ != STDOUT_FILENO && ::close(std::exchange(descriptor_, -1)) != 0)
    throw InputError(path_, std::string("cannot be written: ") + std::strerror(errno));
  descriptor_ = -1;
  if (!working_path_.empty() && std::rename(working_path_.c_str(), path_.c_str()) != 0)
    throw InputError(path_, std::string("cannot be written: ") + std::strerror(errno));
  return index;
}

}  // namespace eptsim::sim
