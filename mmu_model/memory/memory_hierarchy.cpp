#include "mmu_model/memory/memory_hierarchy.hpp"

#include <algorithm>

namespace eptsim::mmu {
namespace {

constexpr std::size_t index_of(MemoryLevel level) { return static_cast<std::size_t>(level); }
constexpr MemoryLevel level_at(std::size_t index) { return static_cast<MemoryLevel>(index); }

void add(MemoryCounters::Level& sum, const MemoryCounters::Level& more) {
  for (std::size_t i = 0; i < sum.by_origin.size(); ++i) {
    MemoryCacheCounters& to = sum.by_origin[i];
    const MemoryCacheCounters& from = more.by_origin[i];
    to.accesses += from.accesses;
    to.hits += from.hits;
    to.misses += from.misses;
    to.merged += from.merged;
    to.writebacks += from.writebacks;
  }
  sum.invalidations += more.invalidations;
}

}  // namespace

MemoryHierarchy::MemoryHierarchy(const MemorySettings& settings, unsigned cores, std::uint64_t seed)
    : settings_(settings), l3_(settings.l3, seed), dram_(settings.dram) {
  cores_.reserve(cores);
  for (unsigned core = 0; core < cores; ++core) {
    cores_.push_back({Cache(settings.l1d, seed), Cache(settings.l2, seed)});
  }
  unsigned cycles = 0;
  const Path path = path_of(0);
  for (std::size_t level = kCaches; level-- > 0;) {
    if (cycles == 0 && !path[level]->lines.is_off()) {
      cycles = path[level]->hit_cycles;
      last_ = path[level];
    }
    to_dram_[level] = cycles;
  }
}

/// An access from its first look-up on.
template <bool kTimed>
Service MemoryHierarchy::fetch(unsigned core, const CacheAccess& access, Cycle cycle) {
  const std::uint64_t line = line_of(access.address);
  const std::size_t entry = index_of(access.enters_at);
  const Path path = path_of(core);
  for (std::size_t next = entry; next < kCaches; ++next) path[next]->lines.prefetch(line);
  Cause cause{access.origin, cycle, cycle + to_dram_[entry], kTimed};
  recall(core, std::min(entry, kOwnCaches), line, access.write, cause);

  Cycle start = cycle;          // as if the access had been made then: it waits for miss registers
  std::size_t first = kCaches;  // the first cache that is on
  std::size_t level = entry;
  Service service{};
  for (; level < kCaches; ++level) {
    if (level == kOwnCaches) recall_from_others(core, line, access.write, cause);
    Cache& cache = *path[level];
    if (cache.lines.is_off()) continue;
    first = std::min(first, level);
    MemoryCacheCounters& counted = cache.counted(access.origin);
    ++counted.accesses;
    const std::size_t place = cache.lines.find(line);
    if (place != LineArray::kNone) {
      cache.lines.use(line, place);
      service = {start + cache.hit_cycles, level_at(level)};
      bool arrived = true;
      if (kTimed && !cache.lines.has_arrived(place, cycle)) {
        const LineState state = cache.lines.state(place);
        service.answered = std::max(service.answered, state.arrives);
        arrived = state.arrives <= start;
        if (!arrived) service.served_by = state.source;
      }
      ++(arrived ? counted.hits : counted.misses);
      counted.merged += !arrived;
      if (access.write) {
        if (level < kOwnCaches && !may_write(cache.lines, place)) {
          recall_from_others(core, line, true, cause);
        }
        if (level == first) cache.lines.set_dirty(place, true);
      }
      break;
    }
    ++counted.misses;
    if constexpr (!kTimed) continue;
    start = std::max(start, cache.misses.next_free_from());
  }
  cause.at_dram = start + to_dram_[entry];
  if (level == kCaches) {
    const bool through = access.write && first == kCaches;
    service = {cycle, MemoryLevel::kDram};
    if constexpr (!kTimed) {
      dram_.warm(line, through);
    } else {
      service.answered = through ? write_dram(line, cause, cause.at_dram) : read_dram(line, cause);
    }
  }
  for (std::size_t missed = level; missed-- > entry;) {
    if (path[missed]->lines.is_off()) continue;
    if constexpr (kTimed) path[missed]->misses.hold_next(service.answered);
    const bool dirty = access.write && missed == first;
    const Cycle arrives = kTimed ? service.answered : 0;
    fill(path, missed, {line, {arrives, service.served_by, dirty}}, cause);
  }
  return service;
}

template Service MemoryHierarchy::fetch<true>(unsigned, const CacheAccess&, Cycle);
template Service MemoryHierarchy::fetch<false>(unsigned, const CacheAccess&, Cycle);

/// Into a cache that is on and doesn't have it.
void MemoryHierarchy::fill(const Path& path, std::size_t level, const LineArray::Line& line,
                           const Cause& cause) {
  const auto victim = path[level]->lines.insert(line.number, line.state);
  if (!victim || !victim->state.dirty) return;
  ++path[level]->counted(cause.origin).writebacks;
  put_back(path, level + 1, *victim, cause);
}

/// A dirty line, into the first cache from `level` on that is on, or into DRAM.
void MemoryHierarchy::put_back(const Path& path, std::size_t level, const LineArray::Line& line,
                               const Cause& cause) {
  for (; level < kCaches; ++level) {
    LineArray& lines = path[level]->lines;
    if (lines.is_off()) continue;
    const std::size_t place = lines.find(line.number);
    if (place == LineArray::kNone) return fill(path, level, line, cause);
    return lines.set_dirty(place, true);
  }
  if (!cause.timed) return dram_.warm(line.number, true);
  write_dram(line.number, cause, std::max(cause.at_dram, line.state.arrives));
}

Cycle MemoryHierarchy::read_dram(std::uint64_t line, const Cause& cause) {
  if (observer_ != nullptr) {
    observer_->see_line(cause.cycle, cause.at_dram, arch::Hpa(line * kLineBytes), false,
                        cause.origin);
  }
  return dram_.read(line, cause.at_dram, cause.cycle);
}

Cycle MemoryHierarchy::write_dram(std::uint64_t line, const Cause& cause, Cycle cycle) {
  if (observer_ != nullptr) {
    observer_->see_line(cause.cycle, cycle, arch::Hpa(line * kLineBytes), true, cause.origin);
  }
  return dram_.write(line, cycle, cause.cycle);
}

/// Has the first `levels` of a core's own caches give up what is dirty of the line, and the line
/// itself if it is to be removed.
void MemoryHierarchy::recall(unsigned core, std::size_t levels, std::uint64_t line, bool remove,
                             const Cause& cause) {
  Cache* dirty = nullptr;
  LineState given_up;
  for (std::size_t level = 0; level < levels; ++level) {
    Cache& cache = cores_[core][level];
    const std::size_t place = cache.lines.find(line);
    if (place == LineArray::kNone) continue;
    if (cache.lines.is_dirty(place) && dirty == nullptr) {
      dirty = &cache;
      given_up = cache.lines.state(place);
    }
    cache.lines.set_dirty(place, false);
    if (remove) {
      cache.lines.remove(place);
      ++cache.counters.invalidations;
    }
  }
  if (dirty == nullptr) return;
  ++dirty->counted(cause.origin).writebacks;
  put_back(path_of(core), levels, {line, given_up}, cause);
}

void MemoryHierarchy::recall_from_others(unsigned core, std::uint64_t line, bool remove,
                                         const Cause& cause) {
  for (unsigned other = 0; other < cores_.size(); ++other) {
    if (other != core) recall(other, kOwnCaches, line, remove, cause);
  }
}

void MemoryHierarchy::touch(unsigned core, arch::Hpa address, Cycle cycle) {
  const std::uint64_t line = line_of(address);
  const Path path = path_of(core);
  const Cause cause{AccessOrigin::kData, cycle, cycle + to_dram_[0]};
  recall_from_others(core, line, true, cause);
  std::size_t first = kCaches;
  for (std::size_t level = kCaches; level-- > 0;) {
    LineArray& lines = path[level]->lines;
    if (lines.is_off()) continue;
    first = level;
    if (lines.find(line) == LineArray::kNone) {
      fill(path, level, {line, {cycle, level_at(level), false}}, cause);
    }
  }
  if (first == kCaches) return;
  path[first]->lines.set_dirty(path[first]->lines.find(line), true);
}

MemoryCounters MemoryHierarchy::counters() const {
  MemoryCounters sum;
  for (const OwnCaches& own : cores_) {
    for (std::size_t level = 0; level < kOwnCaches; ++level) {
      add(sum.cache[level], own[level].counters);
    }
  }
  add(sum.cache[kOwnCaches], l3_.counters);
  sum.dram = dram_.counters();
  return sum;
}

void MemoryHierarchy::reset_counters() {
  for (OwnCaches& own : cores_) {
    for (Cache& cache : own) cache.counters = {};
  }
  l3_.counters = {};
  dram_.reset_counters();
  if (observer_ != nullptr) observer_->see_reset();
}

}  // namespace eptsim::mmu
