#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "mmu_model/caches/invalidation.hpp"
#include "mmu_model/modules/translation_port.hpp"
#include "sim/run/virtual_machines.hpp"

namespace eptsim::sim {

/// The cores of a machine, as they concern one another: what each runs, what it asks others to
/// forget by an interrupt, and the end of the warm-up, where all meet. Every message names the
/// cycle from which it holds, later than the cycle that sent it, so that no result depends on the
/// order of processes. Cores call in their turns.
class CoreGroup {
 public:
  /// An interrupt, to have translations forgotten.
  struct Request {
    mmu::Cycle holds = 0;
    unsigned sender = 0;
    mmu::InvalidationScopes scopes = {};  ///< of the hypervisor: what is to go
    Vcpu* vcpu = nullptr;                 ///< of the guest: which has to forget `address`
    std::uint16_t asid = 0;               ///< in this address space
    std::uint64_t address = 0;            ///< linear
    bool whole_space = false;             ///< instead: all of the address space
  };

  explicit CoreGroup(unsigned cores) : members_(cores) {}

  /// Each core comes before any runs, and is woken by its port.
  void join(unsigned core, mmu::TranslationPort& port) { members_[core].port = &port; }
  unsigned size() const { return static_cast<unsigned>(members_.size()); }
  /// The core's thread ends in `cycle`: it asks nothing any more, and nobody waits for it.
  void leave(unsigned core, mmu::Cycle cycle);
  bool has_left(unsigned core) const { return members_[core].gone; }
  /// Every core is to end, because one has met an error.
  void halt() { halted_ = true; }
  bool is_halted() const { return halted_; }

  /// What the core runs, nothing if nothing yet, or not any more.
  const Vcpu* running(unsigned core) const { return members_[core].running; }
  void run(unsigned core, const Vcpu& vcpu) { members_[core].running = &vcpu; }

  /// Has all others look again, in `cycle`, whether what they wait for has come.
  void wake_others(unsigned core, mmu::Cycle cycle);

  /// Interrupts core `to`, which runs something.
  void send(unsigned to, const Request& request);
  /// The first cycle from which a request to the core holds, kNever if there is none.
  mmu::Cycle next_request(unsigned core) const {
    const std::vector<Request>& requests = members_[core].requests;
    return requests.empty() ? mmu::kNever : requests.front().holds;
  }
  /// Takes it, if it holds in `cycle`. Those of one cycle come by the sender's number.
  std::optional<Request> take(unsigned core, mmu::Cycle cycle);
  /// The request is done with; the sender learns it in `cycle`.
  void acknowledge(const Request& request, mmu::Cycle cycle);
  /// The cycle in which the core has learnt that all it asked for is done, kNever if that isn't
  /// known yet.
  mmu::Cycle acknowledged(unsigned core) const {
    const Member& member = members_[core];
    return member.unanswered == 0 ? member.answered : mmu::kNever;
  }

  /// The core has come, in `cycle`, to where all cores meet that haven't ended. When the last one
  /// has, `met`, the same for all, is called once.
  void arrive(unsigned core, mmu::Cycle cycle, std::function<void()> met);
  /// The cycle in which the last came to where this core has arrived, kNever if that isn't known
  /// yet.
  mmu::Cycle meeting(unsigned core) const { return members_[core].meets; }

  /// What changes, for checkpoints: of cores that have met. What each runs is its own to say.
  template <class Archive>
  void serialize(Archive& archive) {
    for (Member& member : members_) archive(member.answered, member.gone);
  }

 private:
  struct Member {
    mmu::TranslationPort* port = nullptr;
    const Vcpu* running = nullptr;
    std::vector<Request> requests;  ///< sorted by cycle, then sender
    unsigned unanswered = 0;
    mmu::Cycle answered = 0;
    bool arrived = false;  ///< and waits for others
    mmu::Cycle meets = mmu::kNever;
    bool gone = false;
  };
  void meet();

  std::vector<Member> members_;
  mmu::Cycle latest_ = 0;  ///< arrival
  std::function<void()> met_;
  bool halted_ = false;
};

}  // namespace eptsim::sim
