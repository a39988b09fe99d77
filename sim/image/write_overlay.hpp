#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace eptsim::sim {

/// The words written over a memory that itself never changes. Made for a few dozen writes that are
/// forgotten soon and often: forgetting costs no more than the writes did, and nothing is allocated
/// once the table has its size.
class WriteOverlay {
 public:
  bool empty() const { return places_.empty(); }

  /// The word written at `address`, or nullptr.
  const std::uint64_t* find(std::uint64_t address) const {
    const Word& word = words_[place_of(address)];
    return word.used ? &word.value : nullptr;
  }

  void put(std::uint64_t address, std::uint64_t value) {
    const std::size_t place = place_of(address);
    Word& word = words_[place];
    if (word.used) {
      word.value = value;
      return;
    }
    word = {address, value, true};
    places_.push_back(place);
    if (2 * places_.size() > words_.size()) grow();
  }

  void clear() {
    for (const std::size_t place : places_) words_[place].used = false;
    places_.clear();
  }

 private:
  struct Word {
    std::uint64_t address = 0;
    std::uint64_t value = 0;
    bool used = false;
  };

  /// Where `address` stands, or where it belongs: the table is never full.
  std::size_t place_of(std::uint64_t address) const {
    const std::size_t mask = words_.size() - 1;
    // The upper half of a product depends on every bit of the address.
    std::size_t place = ((address >> 3) * 0x9e3779b97f4a7c15) >> 32 & mask;
    while (words_[place].used && words_[place].address != address) place = (place + 1) & mask;
    return place;
  }

  void grow() {
    std::vector<Word> before(2 * words_.size());
    before.swap(words_);
    places_.clear();
    for (const Word& word : before) {
      if (!word.used) continue;
      places_.push_back(place_of(word.address));
      words_[places_.back()] = word;
    }
  }

  std::vector<Word> words_ = std::vector<Word>(256);  ///< a power of two
  std::vector<std::size_t> places_;                   ///< of those used
};

}  // namespace eptsim::sim
