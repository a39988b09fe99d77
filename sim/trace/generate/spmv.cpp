#include "sim/trace/generate/generated_trace.hpp"
#include "sim/trace/generate/random.hpp"
#include "sim/trace/generate/workloads.hpp"

namespace eptsim::sim::generate {
namespace {

/// y = A x with A in compressed rows, again and again:
///
///   for (r) { s = 0; for (k = rows[r]; k < rows[r + 1]; ++k) s += values[k] * x[columns[k]];
///             y[r] = s; }
///
/// Each row has the same number of entries, one at random in each of as many equal parts of the
/// row: so columns ascend, and cover x evenly.
class Spmv {
 public:
  static constexpr std::size_t kMostAccesses = 5;

  explicit Spmv(const Choice& choice)
      : per_row_(choice["per_row"]),
        size_((choice["footprint"] - 5 * kPageBytes) / (3 * 8 + per_row_ * (8 + 4))),
        seed_(random_at(choice["seed"], 0)),
        layout_(init_of(choice)),
        rows_(layout_.filled_array(size_ + 1, 8)),
        columns_(layout_.filled_array(size_ * per_row_, 4)),
        values_(layout_.filled_array(size_ * per_row_, 8)),
        x_(layout_.filled_array(size_, 8)),
        y_(layout_.array(size_ * 8)) {
    if (size_ < per_row_) choice.refuse("per_row", "is more than so small a matrix has columns");
  }

  const MemoryLayout& layout() const { return layout_; }

  /// One entry, with what begins or ends its row.
  void step(Emitter& out) {
    const auto k = row_ * per_row_ + entry_;
    if (entry_ == 0) out.access(kRowEnd, rows_ + 8 * (row_ + 1));
    out.access(kColumn, columns_ + 4 * k);
    out.access(kValue, values_ + 8 * k);
    out.access(kX, x_ + 8 * column(k), 2);
    if (++entry_ < per_row_) return;
    out.access(kResult, y_ + 8 * row_);
    entry_ = 0;
    if (++row_ == size_) row_ = 0;
  }

 private:
  // inc row; cmp; je; mov end, [rows + 8 * row + 8]; xorps sum. The row's begin is the end of the
  // row before, in a register.
  static constexpr Site kRowEnd = {kCode + 0x10, RecordKind::kRead, 8, 4};
  static constexpr Site kColumn = {kCode + 0x20, RecordKind::kRead, 4, 4};  // inc k; cmp; jne; mov
  static constexpr Site kValue = {kCode + 0x28, RecordKind::kRead, 8, 1};
  static constexpr Site kX = {kCode + 0x30, RecordKind::kRead, 8, 1};  // mulsd; then addsd
  static constexpr Site kResult = {kCode + 0x40, RecordKind::kWrite, 8, 5};

  std::uint64_t column(std::uint64_t k) const {
    const auto begin = entry_ * size_ / per_row_;
    const auto end = (entry_ + 1) * size_ / per_row_;
    return begin + below(end - begin, random_at(seed_, k));
  }

  std::uint64_t per_row_;
  std::uint64_t size_;  ///< rows and columns
  std::uint64_t seed_;
  MemoryLayout layout_;
  std::uint64_t rows_;
  std::uint64_t columns_;
  std::uint64_t values_;
  std::uint64_t x_;
  std::uint64_t y_;
  std::uint64_t row_ = 0;
  std::uint64_t entry_ = 0;
};

}  // namespace

Workload spmv() {
  return {.name = "spmv",
          .help = "a sparse matrix in compressed rows times a vector, again and again",
          .parameters = with_seed({footprint_parameter(1024 * kMiB, kTiB / 2),
                                   {.name = "per_row",
                                    .otherwise = 16,
                                    .minimum = 1,
                                    .maximum = 1024,
                                    .help = "entries of a row"}}),
          .open = GeneratedTrace<Spmv>::open};
}

}  // namespace eptsim::sim::generate
