#pragma once

#include "sim/trace/text_reader.hpp"

namespace eptsim::sim {

/// What `valgrind --tool=lackey --trace-mem=yes` writes:
///
///     I  04001000,3      an instruction fetch of 3 bytes
///      L 1ffefffe7d,8    a load by that instruction
///      S 1ffefffe7d,8    a store
///      M 0421c7cc,4      a modify
///     ==1234== …         a comment
class LackeyReader final : public TextReader {
 public:
  LackeyReader(ByteStream stream, unsigned linear_bits)
      : TextReader(std::move(stream), linear_bits) {}

  static constexpr std::string_view kName = "lackey";
  std::string_view format() const override { return kName; }
  bool has_fetches() const override { return true; }

  /// Whether a text that starts so may be such a trace: its first line that isn't a comment is an
  /// access.
  static bool fits(std::string_view start);

 private:
  bool parse(const TextLine& line, Record& record) override;

  std::uint64_t ip_ = 0;
};

}  // namespace eptsim::sim
