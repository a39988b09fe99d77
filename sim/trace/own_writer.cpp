#include "sim/trace/own_writer.hpp"

#include <algorithm>
#include <cstring>

namespace eptsim::sim {

OwnTraceWriter::OwnTraceWriter(const std::string& path, const own::Header& header, Options options)
    : options_(options),
      header_(own::encode_header(header)),
      file_(path),
      index_(std::as_bytes(std::span(header_))),
      encoder_(options.level) {
  options_.block_records =
      std::clamp<std::uint32_t>(options.block_records, 1, own::kMaxBlockRecords);
  file_.write(header_);
}

void OwnTraceWriter::write_block() {
  const auto counts = encoder_.counts();
  own::IndexEntry entry;
  entry.offset = file_.offset();
  entry.first_record = written_;
  entry.records = encoder_.records();
  block_.clear();
  encoder_.finish(written_, block_);
  entry.bytes = static_cast<std::uint32_t>(block_.size());
  std::uint64_t checksum;
  std::memcpy(&checksum, block_.data() + own::kBlockHeaderBytes - sizeof checksum, sizeof checksum);
  file_.write(block_);
  index_.add(entry, counts, checksum);
  written_ += entry.records;
}

own::Index OwnTraceWriter::finish() {
  if (encoder_.records() > 0) write_block();
  auto index = index_.index();
  file_.write(own::encode_index(index, file_.offset()));
  file_.finish();
  return index;
}

}  // namespace eptsim::sim
