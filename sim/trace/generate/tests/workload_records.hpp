#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "sim/trace/generate/memory_layout.hpp"
#include "sim/trace/generate/workload.hpp"

namespace eptsim::sim::generate {

/// Every record of a workload, read so many at a time.
inline std::vector<Record> records_of(const std::string& text, std::size_t batch = 1000) {
  const Choice choice(text);
  const auto reader = choice.workload().open(choice);
  std::vector<Record> all;
  std::vector<Record> records(batch);
  while (const auto count = reader->read(records))
    all.insert(all.end(), records.begin(), records.begin() + static_cast<std::ptrdiff_t>(count));
  return all;
}

inline bool is_load(const Record& record) {
  return record.kind == RecordKind::kRead || record.kind == RecordKind::kModify;
}

/// Goes through records in order and finds the load that each one's address depends on.
class Dependences {
 public:
  /// The record that `record`, the next in order, depends on; nullptr if on none, or if there were
  /// not so many loads before it.
  const Record* of(const Record& record) {
    const Record* found = nullptr;
    if (record.depends_on != 0 && record.depends_on <= loads_.size())
      found = loads_[loads_.size() - record.depends_on];
    if (is_load(record)) loads_.push_back(&record);
    return found;
  }

 private:
  std::vector<const Record*> loads_;
};

}  // namespace eptsim::sim::generate
