#include "mmu_model/caches/structure_array.hpp"

#include <algorithm>

#include "ept/arch/ept_entry.hpp"

namespace eptsim::mmu {

namespace {

/// Tags keep bits 56:12 of an address; the bits above are copies of bit 56, or 0.
constexpr std::uint64_t kTagged = (std::uint64_t{1} << 57) - 1;

bool same_block(std::uint64_t a, std::uint64_t b, unsigned offset_bits) {
  return (((a ^ b) & kTagged) >> offset_bits) == 0;
}

}  // namespace

StructureArray::StructureArray(const StructureCacheSettings& settings, std::uint64_t seed)
    : ways_(settings.ways) {
  if (settings.entries == 0) return;
  const unsigned sets = settings.entries / settings.ways;
  set_mask_ = sets - 1;
  tags_.resize(settings.entries);
  entries_.resize(settings.entries);
  buckets_.resize(std::size_t{1} << kBucketBits);
  used_.resize(sets);
  replacement_.emplace(settings.replacement, sets, settings.ways, seed);
}

unsigned StructureArray::code_of(unsigned offset_bits) {
  return static_cast<unsigned>(std::find(kCovered.begin(), kCovered.end(), offset_bits) -
                               kCovered.begin());
}

StructureArray::Tag StructureArray::tag(const TlbSpace& space, std::uint64_t address,
                                        unsigned offset_bits) {
  const std::uint64_t block = address >> offset_bits << offset_bits;
  return {.where = (block >> 12 << 19) | (std::uint64_t{space.vpid} << 3) | code_of(offset_bits),
          .space = space.word};
}

bool StructureArray::Tag::covers(std::uint64_t address) const {
  return same_block(where >> 19 << 12, address, kCovered[code()]);
}

std::size_t StructureArray::find(const TlbSpace& space, std::uint64_t address,
                                 unsigned offset_bits) const {
  const Tag wanted = tag(space, address, offset_bits);
  if (resident_[wanted.code()] == 0) return kNone;
  const Bucket& bucket = buckets_[bucket_of(wanted)];
  if (bucket.tags == 0) return kNone;
  if (tags_[bucket.last] == wanted) return bucket.last;
  const std::size_t first = set_of(address, offset_bits) * ways_;
  for (std::size_t index = first; index < first + ways_; ++index) {
    if (tags_[index] == wanted) return index;
  }
  return kNone;
}

const CachedEntry* StructureArray::answer(std::size_t index) {
  if (index == kNone) {
    ++misses_;
    return nullptr;
  }
  ++hits_;
  replacement_->used(index / ways_, static_cast<unsigned>(index % ways_));
  return &entries_[index];
}

const CachedEntry* StructureArray::lookup(const TlbSpace& space, std::uint64_t address,
                                          unsigned offset_bits) {
  return is_off() ? nullptr : answer(find(space, address, offset_bits));
}

const CachedEntry* StructureArray::lookup_any_page(const TlbSpace& space, std::uint64_t address,
                                                   bool dirty) {
  if (is_off()) return nullptr;
  for (const unsigned offset_bits : {12u, 21u, 30u}) {
    const std::size_t index = find(space, address, offset_bits);
    if (index == kNone) continue;
    return answer(dirty && !arch::ept_entry::kDirty.any(entries_[index].ept.last) ? kNone : index);
  }
  return answer(kNone);
}

void StructureArray::fill(const TlbSpace& space, const CachedEntry& entry, unsigned offset_bits) {
  if (is_off()) return;
  make_room(space, entry.key, offset_bits);
  const std::size_t set = set_of(entry.key, offset_bits);
  std::size_t index = set * ways_;
  if (used_[set] == ways_) {
    index += replacement_->victim(set);
    remove(index);
  } else {
    while (tags_[index].where != 0) ++index;
  }
  tags_[index] = tag(space, entry.key, offset_bits);
  entries_[index] = entry;
  ++resident_[tags_[index].code()];
  ++used_[set];
  Bucket& bucket = buckets_[bucket_of(tags_[index])];
  ++bucket.tags;
  bucket.last = static_cast<std::uint32_t>(index);
  replacement_->filled(set, static_cast<unsigned>(index % ways_));
}

/// Removes what covers part of the block of `offset_bits` at `address`: a stale entry of another
/// size could go on answering in the new one's place.
void StructureArray::make_room(const TlbSpace& space, std::uint64_t address, unsigned offset_bits) {
  const unsigned code = code_of(offset_bits);
  for (unsigned held = 1; held < kCovered.size(); ++held) {
    if (resident_[held] == 0) continue;
    if (held < code) {  // anywhere within the block
      for (std::size_t index = 0; index < tags_.size(); ++index) {
        const Tag& other = tags_[index];
        if (other.code() == held && other.translation_space() == space &&
            same_block(other.where >> 19 << 12, address, offset_bits)) {
          remove(index);
        }
      }
    } else if (const std::size_t index = find(space, address, kCovered[held]); index != kNone) {
      remove(index);
    }
  }
}

void StructureArray::invalidate_linear(const InvalidationScope& scope) {
  if (!scope.linear_mappings && !scope.combined_mappings) return;
  const bool of_address = scope.linear && scope.structures_of_address_alone;
  for (std::size_t index = 0; index < tags_.size(); ++index) {
    const Tag& held = tags_[index];
    if (held.where == 0 || (of_address && !held.covers(*scope.linear))) continue;
    if (fits(scope, held.translation_space(), false)) remove(index);
  }
}

void StructureArray::invalidate_guest_physical(const InvalidationScope& scope) {
  if (!scope.guest_physical_mappings) return;
  for (std::size_t index = 0; index < tags_.size(); ++index) {
    const Tag& held = tags_[index];
    if (held.where == 0) continue;
    if (scope.ept_root && held.space != (TlbSpace::kEpt | *scope.ept_root)) continue;
    if (scope.gpa && !held.covers(*scope.gpa)) continue;
    remove(index);
  }
}

void StructureArray::remove(std::size_t index) {
  --resident_[tags_[index].code()];
  --used_[index / ways_];
  --buckets_[bucket_of(tags_[index])].tags;
  tags_[index] = {};
}

}  // namespace eptsim::mmu
