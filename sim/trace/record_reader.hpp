#pragma once

#include <exception>

#include "sim/input_error.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {

/// A reader that finds its records one by one. What came before an error is given first.
class RecordReader : public TraceReader {
 public:
  std::size_t read(std::span<Record> records) final {
    if (error_) std::rethrow_exception(error_);
    std::size_t count = 0;
    try {
      while (count < records.size() && next(records[count])) ++count;
    } catch (const InputError&) {
      error_ = std::current_exception();
      if (count == 0) throw;
    }
    return count;
  }

 protected:
  /// The next record; false at the end. Throws InputError.
  virtual bool next(Record& record) = 0;

 private:
  std::exception_ptr error_;
};

}  // namespace eptsim::sim
