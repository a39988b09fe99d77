#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>

namespace eptsim::tb {

/// When an FST file begins and ends, in its unit of time: what its header says.
struct FstTimes {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  friend bool operator==(const FstTimes&, const FstTimes&) = default;
};

/// Empty if the file isn't one.
inline std::optional<FstTimes> fst_times(const std::filesystem::path& path) {
  // A header block: type 0, its length, the two times, each 8 bytes, highest first.
  constexpr std::size_t kLengthAt = 1, kBeginAt = 9, kEndAt = 17;
  constexpr std::uint64_t kLength = 329;
  std::array<char, 25> bytes{};
  if (!std::ifstream(path, std::ios::binary).read(bytes.data(), bytes.size())) return {};
  const auto number = [&](std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i) {
      value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    }
    return value;
  };
  if (bytes[0] != 0 || number(kLengthAt) != kLength) return {};
  return FstTimes{.begin = number(kBeginAt), .end = number(kEndAt)};
}

}  // namespace eptsim::tb
