#include "sim/trace/lackey.hpp"

#include <charconv>

namespace eptsim::sim {
namespace {

constexpr std::uint16_t kLargestAccess = 4096;

bool is_comment(std::string_view line) { return line.empty() || line.starts_with("=="); }

std::optional<RecordKind> kind_of(std::string_view line) {
  if (line.starts_with("I  ")) return RecordKind::kFetch;
  if (line.starts_with(" L ")) return RecordKind::kRead;
  if (line.starts_with(" S ")) return RecordKind::kWrite;
  if (line.starts_with(" M ")) return RecordKind::kModify;
  return std::nullopt;
}

}  // namespace

bool LackeyReader::fits(std::string_view start) {
  while (!start.empty()) {
    const auto line = take_line(start);
    if (!is_comment(line)) return kind_of(line).has_value();
  }
  return false;
}

bool LackeyReader::parse(const TextLine& line, Record& record) {
  if (is_comment(line.text)) return false;
  const char* at = line.text.data();
  const char* const end = at + line.text.size();
  const auto kind = kind_of(line.text);
  if (!kind)
    fail(line, at, "expected \"I  \", \" L \", \" S \" or \" M \" and an address, or a comment");
  at += 3;
  const char* const address = at;
  if (!parse_hexadecimal(at, end, record.address)) fail(line, at, "expected an address");
  check_address(line, address, record.address);
  if (at == end || *at != ',') fail(line, at, "expected a comma and the size");
  ++at;
  const auto size = std::from_chars(at, end, record.size);
  if (size.ec != std::errc() || record.size == 0 || record.size > kLargestAccess)
    fail(line, at, "expected a size of 1 to 4096 bytes");
  if (size.ptr != end) fail(line, size.ptr, "expected the end of the line");
  record.kind = *kind;
  if (record.kind == RecordKind::kFetch) {
    ip_ = record.address;
    record.instructions = 1;
  }
  record.ip = ip_;
  return true;
}

}  // namespace eptsim::sim
