#include "sim/run/record_hash.hpp"

#include <xxhash.h>

#include <new>
#include <type_traits>

namespace eptsim::sim {

// Every bit of a record says something.
static_assert(std::has_unique_object_representations_v<Record>);

void RecordHash::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

RecordHash::State RecordHash::make() {
  State state(XXH3_createState());
  if (!state) throw std::bad_alloc();
  XXH3_64bits_reset(state.get());
  return state;
}

RecordHash::RecordHash(const RecordHash& other) { *this = other; }

RecordHash& RecordHash::operator=(const RecordHash& other) {
  if (this == &other) return *this;
  state_ = other.state_ ? make() : nullptr;
  if (state_) XXH3_copyState(state_.get(), other.state_.get());
  return *this;
}

void RecordHash::add(std::span<const Record> records) {
  if (records.empty()) return;
  if (!state_) state_ = make();
  XXH3_64bits_update(state_.get(), records.data(), records.size_bytes());
}

std::uint64_t RecordHash::value() const { return state_ ? XXH3_64bits_digest(state_.get()) : 0; }

}  // namespace eptsim::sim
