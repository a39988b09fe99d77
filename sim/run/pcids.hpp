#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace eptsim::sim {

/// The PCIDs that an operating system gives its address spaces on one processor, in the way of
/// Linux: a few, one after the other and round again. A space keeps its own, and with it the
/// translations that carry it, until that is given to another.
class Pcids {
 public:
  struct Space {
    std::uint16_t vm = 0;  ///< natively other machines are other spaces
    std::uint16_t asid = 0;
    friend bool operator==(const Space&, const Space&) = default;
  };
  struct Use {
    std::uint16_t pcid = 0;  ///< from 1 on; 0: there are none
    bool flush = true;       ///< translations that carry it are another's, or stale
  };

  explicit Pcids(std::size_t count = 0) : slots_(count) {}

  /// That of the space, which runs from now on. What `flush` asks for must be done.
  Use use(const Space& space);
  /// It, if the space has one.
  std::optional<std::uint16_t> of(const Space& space) const;
  /// The space's tables have changed while it doesn't run here: its next use flushes.
  void forget(const Space& space);

  /// What changes, for checkpoints.
  template <class Archive>
  void serialize(Archive& archive) {
    archive(slots_, next_);
  }

 private:
  struct Slot {
    std::optional<Space> space;
    bool stale = false;
  };

  std::vector<Slot> slots_;  ///< of PCID 1 and on
  std::size_t next_ = 0;     ///< to be given away
};

}  // namespace eptsim::sim
