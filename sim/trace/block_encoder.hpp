#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "sim/trace/own_format.hpp"

struct ZSTD_CCtx_s;

namespace eptsim::sim::own {

/// Makes one block of the own format after another.
class BlockEncoder {
 public:
  /// `level` is zstd's, 1 to 19.
  explicit BlockEncoder(int level);
  BlockEncoder(const BlockEncoder&) = delete;
  BlockEncoder& operator=(const BlockEncoder&) = delete;
  ~BlockEncoder();

  /// Adds a record to the block. Not more than kMaxBlockRecords.
  void add(const Record& record);

  std::uint32_t records() const { return records_; }
  const Counts& counts() const { return counts_; }

  /// Appends the block, header and columns, to `out`, and begins the next one. `first_record` is
  /// the number of the block's first record in the trace.
  void finish(std::uint64_t first_record, std::vector<std::uint8_t>& out);

 private:
  void reset();
  std::uint32_t find_site(const Record& record) const;
  std::uint32_t add_site(const Record& record);
  void enter_in_table(std::uint32_t number);
  void move(Site& site, std::uint64_t address);

  ZSTD_CCtx_s* compressor_;
  std::vector<Site> sites_;           ///< number 0 is the place before the first record
  std::vector<std::uint32_t> table_;  ///< hash table of numbers of sites, 0 where free
  std::array<std::vector<std::uint8_t>, kColumns> columns_;
  Expectation expected_;
  Counts counts_;
  std::uint32_t records_ = 0;
  std::uint32_t current_ = 0;  ///< site of the last record
  std::uint64_t run_ = 0;      ///< records that came as predicted since the last jump
  std::uint64_t last_address_ = 0;
  std::uint64_t last_move_ = 0;
};

}  // namespace eptsim::sim::own
