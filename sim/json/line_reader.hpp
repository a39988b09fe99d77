#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace eptsim::sim {

/// The lines of a file or of standard input, read in large blocks. A line ends with a newline,
/// which the last may lack.
class LineReader {
 public:
  /// No line may be longer.
  static constexpr std::size_t kLongest = std::size_t{1} << 20;

  /// Opens `path`, or takes standard input for "-". Throws InputError.
  explicit LineReader(const std::string& path);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// Moves to the next line; false at the end. Throws InputError with the line's place if it is too
  /// long, and if the file can't be read.
  bool next();

  /// The line, without its newline. Valid until `next` is called.
  std::string_view line() const { return line_; }
  /// Its number, the first is 1.
  std::size_t number() const { return number_; }
  /// What messages call the input.
  const std::string& name() const { return name_; }
  /// Whether `next` would have to wait for input.
  bool drained() const;

 private:
  bool fill();

  std::string name_;
  int file_ = -1;
  bool owned_ = false;
  bool ended_ = false;
  std::vector<char> block_;
  std::size_t begin_ = 0;  ///< of what was not handed out, in the block
  std::size_t end_ = 0;
  std::size_t number_ = 0;
  std::string_view line_;
};

}  // namespace eptsim::sim
