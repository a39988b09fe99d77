#include "sim/trace/text_reader.hpp"

#include <fmt/format.h>

#include <charconv>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

constexpr std::size_t kLongestLine = 4096;

}  // namespace

std::string_view take_line(std::string_view& text) {
  auto line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool parse_hexadecimal(const char*& at, const char* end, std::uint64_t& value) {
  const auto got = std::from_chars(at, end, value, 16);
  if (got.ec != std::errc()) return false;
  at = got.ptr;
  return true;
}

std::optional<TextLine> TextReader::next_line() {
  auto bytes = stream_.peek_some();
  if (bytes.empty()) return std::nullopt;
  const void* end = std::memchr(bytes.data(), '\n', bytes.size());
  if (end == nullptr) {  // the line goes on beyond the buffer, or is the last one
    bytes = stream_.peek(kLongestLine);
    end = std::memchr(bytes.data(), '\n', bytes.size());
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  TextLine line{text, ++lines_, stream_.offset()};
  if (end == nullptr) {
    if (text.size() >= kLongestLine) fail(line, text.data(), "the line is too long for a trace");
    stream_.consume(text.size());
    return line;
  }
  line.text = text.substr(0, static_cast<std::size_t>(static_cast<const char*>(end) - text.data()));
  stream_.consume(line.text.size() + 1);
  if (line.text.ends_with('\r')) line.text.remove_suffix(1);
  return line;
}

void TextReader::fail(const TextLine& line, const char* at, const std::string& problem) const {
  const auto column = static_cast<std::uint64_t>(at - line.text.data());
  throw InputError(
      fmt::format("{}:{}:{}", stream_.name(), line.number, column + 1),
      fmt::format("byte {}, record {}: {}", line.offset + column, records_ + 1, problem));
}

void TextReader::check_address(const TextLine& line, const char* at, std::uint64_t address) const {
  if (!is_canonical(address, linear_bits_))
    fail(line, at,
         fmt::format("address {:#x} isn't canonical, expected one of {} bits", address,
                     linear_bits_));
}

bool TextReader::next(Record& record) {
  while (const auto line = next_line()) {
    record = Record{};
    if (!parse(*line, record)) continue;
    ++records_;
    return true;
  }
  return false;
}

}  // namespace eptsim::sim
