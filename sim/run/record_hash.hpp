#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "sim/trace/record.hpp"

struct XXH3_state_s;

namespace eptsim::sim {

/// A hash (XXH3, 64 bits) of records as they come, however they are cut into batches.
class RecordHash {
 public:
  RecordHash() = default;  ///< of none
  RecordHash(const RecordHash& other);
  RecordHash& operator=(const RecordHash& other);
  RecordHash(RecordHash&&) = default;
  RecordHash& operator=(RecordHash&&) = default;
  ~RecordHash() = default;

  void add(std::span<const Record> records);
  std::uint64_t value() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  using State = std::unique_ptr<XXH3_state_s, Free>;
  static State make();

  State state_;  ///< none as long as there are no records
};

}  // namespace eptsim::sim
