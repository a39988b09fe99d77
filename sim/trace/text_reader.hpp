#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sim/trace/byte_stream.hpp"
#include "sim/trace/record_reader.hpp"

namespace eptsim::sim {

/// One line of a text trace: where it stands and what is in it, without the line break.
struct TextLine {
  std::string_view text;
  std::uint64_t number = 0;  ///< from 1
  std::uint64_t offset = 0;  ///< of its first byte
};

/// What the readers of text traces have in common: lines, and errors that name line and column.
class TextReader : public RecordReader {
 public:
  std::optional<double> fraction_read() const final { return stream_.fraction_read(); }

 protected:
  TextReader(ByteStream stream, unsigned linear_bits)
      : stream_(std::move(stream)), linear_bits_(linear_bits) {}

  /// Turns a line into `record`; false if it is a comment.
  virtual bool parse(const TextLine& line, Record& record) = 0;

  /// Throws InputError for the character of the line at which `at` points.
  [[noreturn]] void fail(const TextLine& line, const char* at, const std::string& problem) const;
  /// Throws InputError, with its place, unless the address is canonical.
  void check_address(const TextLine& line, const char* at, std::uint64_t address) const;

 private:
  bool next(Record& record) final;
  std::optional<TextLine> next_line();

  ByteStream stream_;
  unsigned linear_bits_;
  std::uint64_t lines_ = 0;
  std::uint64_t records_ = 0;
};

/// Cuts the first line off `text`: without the line break, "\r\n" too.
std::string_view take_line(std::string_view& text);

/// Reads hexadecimal digits at `at` and moves it past them; false if there are none or more than 64
/// bits.
bool parse_hexadecimal(const char*& at, const char* end, std::uint64_t& value);

}  // namespace eptsim::sim
