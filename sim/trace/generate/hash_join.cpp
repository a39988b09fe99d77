#include "sim/trace/generate/hash_join.hpp"

#include <vector>

#include "sim/trace/generate/generated_trace.hpp"
#include "sim/trace/generate/workloads.hpp"

namespace eptsim::sim::generate {
namespace {

constexpr Site read(std::uint64_t ip, std::uint32_t instructions) {
  return {kCode + ip, RecordKind::kRead, 8, instructions};
}
constexpr Site write(std::uint64_t ip, std::uint32_t instructions) {
  return {kCode + ip, RecordKind::kWrite, 8, instructions};
}

/// A join without partitions: build a chained hash table from one relation, then look up in it each
/// tuple of another, `ratio` times as long. Then again from the start.
///
///   tuple: key, payload (16 bytes)       entry: key, payload, next (24)       bucket: entry (8)
class HashJoin {
 public:
  static constexpr std::size_t kMostAccesses = 7;

  explicit HashJoin(const Choice& choice)
      : phases_(static_cast<Phases>(choice["phase"])),
        ratio_(choice["ratio"]),
        tuples_((choice["footprint"] - 4 * kPageBytes) /
                (kTuple + kEntry + kBucket + ratio_ * kTuple)),
        keys_(tuples_, choice["match"], choice["seed"]),
        layout_(init_of(choice)),
        build_side_(layout_.filled_array(2 * tuples_, 8)),
        probe_side_(layout_.filled_array(2 * tuples_ * ratio_, 8)),
        buckets_(layout_.filled_array(tuples_, kBucket)),
        entries_(layout_.array(tuples_ * kEntry)),
        first_(tuples_),
        next_(tuples_) {
    if (phases_ != Phases::kProbe) return;
    for (std::uint64_t i = 0; i < tuples_; ++i) insert(i);
    phase_ = &HashJoin::probe;
  }

  const MemoryLayout& layout() const { return layout_; }

  void step(Emitter& out) { (this->*phase_)(out); }

 private:
  enum class Phases : std::uint8_t { kBoth, kBuild, kProbe };

  static constexpr std::uint64_t kTuple = 16;
  static constexpr std::uint64_t kEntry = 24;
  static constexpr std::uint16_t kBucket = 8;

  // The hash is a multiplication, a shift, another multiplication and its high half: with what goes
  // before the access, 6 instructions.
  static constexpr Site kBuildKey = read(0x10, 4);  // add; cmp; je; mov
  static constexpr Site kBuildPayload = read(0x14, 1);
  static constexpr Site kOldFirst = read(0x20, 6);
  static constexpr Site kEntryKeyStore = write(0x30, 2);
  static constexpr Site kEntryPayloadStore = write(0x34, 1);
  static constexpr Site kEntryNextStore = write(0x38, 1);
  static constexpr Site kNewFirst = write(0x3c, 1);
  static constexpr Site kProbeKey = read(0x50, 4);
  static constexpr Site kFirst = read(0x60, 6);
  static constexpr Site kEntryKey = read(0x70, 3);      // test; je; cmp; then jne
  static constexpr Site kEntryPayload = read(0x78, 2);  // jne; add
  static constexpr Site kNext = read(0x80, 2);
  static constexpr Site kClear = write(0x90, 4);

  std::uint64_t bucket_at(std::uint64_t bucket) const { return buckets_ + kBucket * bucket; }
  std::uint64_t entry_at(std::uint64_t entry) const { return entries_ + kEntry * entry; }

  /// Into the host's table, which says in which order entries are linked. Numbers from 1, 0: none.
  std::uint64_t insert(std::uint64_t i) {
    const auto bucket = keys_.bucket(keys_.build(i));
    next_[i] = first_[bucket];
    first_[bucket] = static_cast<std::uint32_t>(i + 1);
    return bucket;
  }

  /// One tuple into the table.
  void build(Emitter& out) {
    const auto tuple = build_side_ + kTuple * at_;
    const auto bucket = insert(at_);
    const auto entry = entry_at(at_);
    out.access(kBuildKey, tuple);
    out.access(kBuildPayload, tuple + 8);
    out.access(kOldFirst, bucket_at(bucket), 2);
    out.access(kEntryKeyStore, entry);
    out.access(kEntryPayloadStore, entry + 8);
    out.access(kEntryNextStore, entry + 16);
    out.access(kNewFirst, bucket_at(bucket), 3);
    go_on(tuples_, phases_ == Phases::kBuild ? &HashJoin::clear : &HashJoin::probe);
  }

  /// One tuple of the other relation, or one more entry of its bucket.
  void probe(Emitter& out) {
    if (entry_ == 0) {
      key_ = keys_.probe(at_);
      const auto bucket = keys_.bucket(key_);
      out.access(kProbeKey, probe_side_ + kTuple * at_);
      out.access(kFirst, bucket_at(bucket), 1);
      entry_ = first_[bucket];
    } else {
      const auto number = entry_ - 1;
      const auto entry = entry_at(number);
      const bool matches = keys_.build(number) == key_;
      out.access(kEntryKey, entry, 1);
      if (matches) out.access(kEntryPayload, entry + 8, 2);
      out.access(kNext, entry + 16, matches ? 3 : 2);
      entry_ = next_[number];
    }
    if (entry_ == 0)
      go_on(tuples_ * ratio_, phases_ == Phases::kProbe ? &HashJoin::probe : &HashJoin::clear);
  }

  /// One bucket empty again.
  void clear(Emitter& out) {
    out.access(kClear, bucket_at(at_));
    first_[at_] = 0;
    go_on(tuples_, &HashJoin::build);
  }

  void go_on(std::uint64_t end, void (HashJoin::*next)(Emitter&)) {
    if (++at_ < end) return;
    at_ = 0;
    phase_ = next;
  }

  Phases phases_;
  std::uint64_t ratio_;
  std::uint64_t tuples_;
  JoinKeys keys_;
  MemoryLayout layout_;
  std::uint64_t build_side_;
  std::uint64_t probe_side_;
  std::uint64_t buckets_;
  std::uint64_t entries_;
  std::vector<std::uint32_t> first_;
  std::vector<std::uint32_t> next_;

  void (HashJoin::*phase_)(Emitter&) = &HashJoin::build;
  std::uint64_t at_ = 0;     ///< tuple or bucket
  std::uint32_t entry_ = 0;  ///< of the probe under way, the one that comes next, from 1
  std::uint64_t key_ = 0;    ///< of that probe
};

}  // namespace

Workload hash_join() {
  using Type = Parameter::Type;
  return {.name = "hashjoin",
          .help = "a hash table built from one relation, then probed with another",
          .parameters = with_seed({footprint_parameter(1024 * kMiB, kTiB / 16),
                                   {.name = "ratio",
                                    .otherwise = 4,
                                    .minimum = 1,
                                    .maximum = 64,
                                    .help = "tuples of the probe side for each of the build side"},
                                   {.name = "match",
                                    .otherwise = 100,
                                    .minimum = 1,
                                    .maximum = 100,
                                    .help = "of a hundred probes, how many find a tuple"},
                                   {.name = "phase",
                                    .type = Type::kWord,
                                    .words = {"both", "build", "probe"},
                                    .help = "the whole join, or one phase again and again"}}),
          .open = GeneratedTrace<HashJoin>::open};
}

}  // namespace eptsim::sim::generate
