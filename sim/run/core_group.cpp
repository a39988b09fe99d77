#include "sim/run/core_group.hpp"

#include <algorithm>
#include <utility>

namespace eptsim::sim {

using mmu::Cycle;

void CoreGroup::leave(unsigned core, Cycle cycle) {
  Member& member = members_[core];
  member.running = nullptr;
  for (const Request& request : std::exchange(member.requests, {})) {
    acknowledge(request, std::max(cycle, request.holds) + 1);
  }
  member.gone = true;
  meet();
}

void CoreGroup::wake_others(unsigned core, Cycle cycle) {
  for (unsigned other = 0; other < size(); ++other) {
    if (other != core) members_[other].port->wake(cycle);
  }
}

void CoreGroup::send(unsigned to, const Request& request) {
  std::vector<Request>& requests = members_[to].requests;
  const auto order = [](const Request& sent) { return std::pair(sent.holds, sent.sender); };
  requests.insert(std::ranges::upper_bound(requests, order(request), {}, order), request);
  ++members_[request.sender].unanswered;
  members_[to].port->wake(request.holds);
}

std::optional<CoreGroup::Request> CoreGroup::take(unsigned core, Cycle cycle) {
  if (next_request(core) > cycle) return std::nullopt;
  std::vector<Request>& requests = members_[core].requests;
  const Request first = requests.front();
  requests.erase(requests.begin());
  return first;
}

void CoreGroup::acknowledge(const Request& request, Cycle cycle) {
  Member& sender = members_[request.sender];
  sender.answered = std::max(sender.answered, cycle);
  if (--sender.unanswered == 0) sender.port->wake(sender.answered);
}

void CoreGroup::arrive(unsigned core, Cycle cycle, std::function<void()> met) {
  members_[core].arrived = true;
  members_[core].meets = mmu::kNever;
  latest_ = std::max(latest_, cycle);
  met_ = std::move(met);
  meet();
}

/// If somebody has come, and nobody is to come any more.
void CoreGroup::meet() {
  const auto is_missing = [](const Member& member) { return !member.arrived && !member.gone; };
  if (!met_ || std::ranges::any_of(members_, is_missing)) return;
  std::exchange(met_, {})();
  for (Member& member : members_) {
    if (!std::exchange(member.arrived, false)) continue;
    member.meets = latest_;
    member.port->wake(latest_);
  }
}

}  // namespace eptsim::sim
