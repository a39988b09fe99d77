#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "sim/trace/byte_stream.hpp"
#include "sim/trace/record_reader.hpp"

namespace eptsim::sim {

/// Where the parts of a ChampSim record stand. There is no header: a trace is one record an
/// instruction, from first to last byte. Memory operands and registers that aren't used are 0.
struct ChampsimLayout {
  std::string_view name;
  std::size_t bytes;
  std::size_t destination_registers;  ///< offset
  std::size_t destination_register_count;
  std::size_t source_registers;
  std::size_t source_register_count;
  std::size_t destination_memory;
  std::size_t destination_memory_count;
  std::size_t source_memory;
  std::size_t source_memory_count;
};

constexpr ChampsimLayout kChampsim = {"champsim", 64, 10, 2, 12, 4, 16, 2, 32, 4};
constexpr ChampsimLayout kChampsimCloudsuite = {
    "champsim-cloudsuite", 96, 10, 4, 14, 4, 24, 4, 56, 4};

/// Whether the start of a trace, whole records of it, could be of this layout: flags are 0 or 1 and
/// each address is canonical.
bool looks_like_champsim(const ChampsimLayout& layout, std::span<const std::byte> bytes);

/// Gives for each instruction a fetch, its loads, and its stores; a location both loaded and stored
/// is a modify. The format has no sizes: every access is one of 1 byte. An access depends on the
/// last load that led to one of the instruction's source registers.
class ChampsimReader final : public RecordReader {
 public:
  ChampsimReader(ByteStream stream, const ChampsimLayout& layout, unsigned linear_bits)
      : stream_(std::move(stream)), layout_(layout), linear_bits_(linear_bits) {}

  std::string_view format() const override { return layout_.name; }
  bool has_fetches() const override { return true; }
  std::optional<double> fraction_read() const override { return stream_.fraction_read(); }

 private:
  static constexpr std::size_t kMostRecords = 9;  ///< that one instruction gives
  static constexpr std::uint64_t kNoLoad = ~std::uint64_t{0};

  bool next(Record& record) override;
  bool decode_instruction();
  void add(RecordKind kind, std::uint64_t address, std::uint64_t feeding_load);
  std::uint64_t feeding_load(const std::byte* instruction) const;

  ByteStream stream_;
  ChampsimLayout layout_;
  unsigned linear_bits_;
  std::uint64_t instruction_ = 0;  ///< number of the one decoded last, from 1
  std::array<Record, kMostRecords> decoded_ = {};
  std::size_t decoded_count_ = 0;
  std::size_t given_ = 0;
  std::uint64_t loads_ = 0;
  /// For each register the number of the load from which its value comes, maybe by way of others.
  std::array<std::uint64_t, 256> register_load_ = make_filled();

  static constexpr std::array<std::uint64_t, 256> make_filled() {
    std::array<std::uint64_t, 256> filled = {};
    filled.fill(kNoLoad);
    return filled;
  }
};

}  // namespace eptsim::sim
