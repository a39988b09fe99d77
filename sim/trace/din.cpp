#include "sim/trace/din.hpp"

namespace eptsim::sim {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t'; }

const char* skip_spaces(const char* at, const char* end) {
  while (at != end && is_space(*at)) ++at;
  return at;
}

bool is_label(char c) { return c >= '0' && c <= '2'; }

/// The label of a line, 0 if it has none.
char label_of(std::string_view line) {
  const char* const end = line.data() + line.size();
  const char* at = skip_spaces(line.data(), end);
  if (end - at < 3 || !is_label(*at) || !is_space(at[1])) return 0;
  const char label = *at;
  at = skip_spaces(at + 1, end);
  if (end - at > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) at += 2;
  std::uint64_t address;
  return parse_hexadecimal(at, end, address) && (at == end || is_space(*at)) ? label : '\0';
}

}  // namespace

bool DinReader::fits(std::string_view start) {
  while (!start.empty()) {
    const auto line = take_line(start);
    if (!line.empty()) return label_of(line) != 0;
  }
  return false;
}

bool DinReader::contains_fetch(std::string_view start) {
  while (!start.empty())
    if (label_of(take_line(start)) == '2') return true;
  return false;
}

bool DinReader::parse(const TextLine& line, Record& record) {
  const char* const end = line.text.data() + line.text.size();
  const char* at = skip_spaces(line.text.data(), end);
  if (at == end) return false;
  const char label = *at;
  if (!is_label(label) || at + 1 == end || !is_space(at[1]))
    fail(line, at, "expected a label (0 read, 1 write, 2 fetch) and an address");
  at = skip_spaces(at + 1, end);
  if (end - at > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X')) at += 2;
  const char* const address = at;
  if (!parse_hexadecimal(at, end, record.address) || (at != end && !is_space(*at)))
    fail(line, at, "expected a hexadecimal address");
  check_address(line, address, record.address);
  record.size = 1;
  if (label == '2') {
    record.kind = RecordKind::kFetch;
    ip_ = record.address;
  } else {
    record.kind = label == '1' ? RecordKind::kWrite : RecordKind::kRead;
  }
  record.ip = ip_;
  record.instructions = label == '2' || !fetches_ ? 1 : 0;
  return true;
}

}  // namespace eptsim::sim
