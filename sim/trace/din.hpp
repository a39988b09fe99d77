#pragma once

#include "sim/trace/text_reader.hpp"

namespace eptsim::sim {

/// Dinero's din format: a label (0 read, 1 write, 2 instruction fetch) and a hexadecimal address a
/// line; what follows on the line is ignored. There are no sizes: every access is one of 1 byte.
/// Without fetches in the first 64 KiB each access counts as an instruction of its own.
class DinReader final : public TextReader {
 public:
  DinReader(ByteStream stream, unsigned linear_bits, bool fetches)
      : TextReader(std::move(stream), linear_bits), fetches_(fetches) {}

  static constexpr std::string_view kName = "din";
  std::string_view format() const override { return kName; }
  bool has_fetches() const override { return fetches_; }

  /// Whether a text that starts so may be such a trace, by its first line that isn't blank.
  static bool fits(std::string_view start);
  /// Whether there is a fetch in it.
  static bool contains_fetch(std::string_view start);

 private:
  bool parse(const TextLine& line, Record& record) override;

  bool fetches_;
  std::uint64_t ip_ = 0;
};

}  // namespace eptsim::sim
