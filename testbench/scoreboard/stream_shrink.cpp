#include "testbench/scoreboard/stream_shrink.hpp"

#include <algorithm>

namespace eptsim::tb {

namespace {

class StreamShrinker {
 public:
  StreamShrinker(const Stream& stream, const std::function<bool(const Stream&)>& fails)
      : best_(stream), fails_(fails) {}

  Stream run() {
    constexpr unsigned kRounds = 4;  // one that changes nothing is the last in practice
    for (unsigned round = 0; round < kRounds; ++round) {
      changed_ = false;
      simplify_timing();
      drop(&Stream::events, [](Stream&, std::size_t, std::size_t) {});
      // An event keeps its place among the requests that stay.
      drop(&Stream::requests, [](Stream& stream, std::size_t first, std::size_t count) {
        for (StreamEvent& event : stream.events) {
          const std::size_t before = std::min<std::size_t>(event.after, first + count);
          if (before > first) event.after -= static_cast<unsigned>(before - first);
        }
      });
      drop(&Stream::image, [](Stream&, std::size_t, std::size_t) {});
      simplify_requests();
      drop_contexts();
      if (!changed_) break;
    }
    return best_;
  }

 private:
  template <class Change>
  bool attempt(Change change) {
    Stream candidate = best_;
    change(candidate);
    if (!fails_(candidate)) return false;
    best_ = std::move(candidate);
    changed_ = true;
    return true;
  }

  /// Halves, quarters and so on down to single elements.
  template <class Element, class Adjust>
  void drop(std::vector<Element> Stream::* list, Adjust adjust) {
    for (std::size_t count = std::max<std::size_t>((best_.*list).size() / 2, 1); count > 0;
         count /= 2) {
      for (std::size_t end = (best_.*list).size(); end >= count;) {
        const std::size_t first = end - count;
        attempt([&](Stream& stream) {
          const auto begin = (stream.*list).begin() + static_cast<std::ptrdiff_t>(first);
          (stream.*list).erase(begin, begin + static_cast<std::ptrdiff_t>(count));
          adjust(stream, first, count);
        });
        end = first;
      }
    }
  }

  void simplify_timing() {
    const StreamTiming plain{.latency = 1, .in_flight = best_.timing.in_flight};
    const StreamTiming& now = best_.timing;
    if (now.latency != 1 || now.stall != 0 || now.random_latency || now.clock_always) {
      if (!attempt([&](Stream& stream) { stream.timing = plain; })) {
        if (now.stall != 0) attempt([](Stream& stream) { stream.timing.stall = 0; });
        if (now.clock_always) attempt([](Stream& stream) { stream.timing.clock_always = false; });
        if (now.random_latency) {
          attempt([](Stream& stream) { stream.timing.random_latency = false; });
        }
        if (now.latency != 1) attempt([](Stream& stream) { stream.timing.latency = 1; });
      }
    }
    for (unsigned limit = 1; limit < best_.timing.in_flight && limit <= 4; ++limit) {
      if (attempt([&](Stream& stream) { stream.timing.in_flight = limit; })) break;
    }
  }

  void simplify_requests() {
    for (std::size_t i = 0; i < best_.requests.size(); ++i) {
      if (best_.requests[i].gap != 0) {
        attempt([i](Stream& stream) { stream.requests[i].gap = 0; });
      }
      if (best_.requests[i].request.implicit) {
        attempt([i](Stream& stream) { stream.requests[i].request.implicit = false; });
      }
      if (best_.requests[i].request.size != 1) {
        attempt([i](Stream& stream) { stream.requests[i].request.size = 1; });
      }
    }
    for (std::size_t i = 0; i < best_.events.size(); ++i) {
      if (best_.events[i].delay != 0) {
        attempt([i](Stream& stream) { stream.events[i].delay = 0; });
      }
    }
  }

  void drop_contexts() {
    for (unsigned unused = static_cast<unsigned>(best_.contexts.size()); unused-- > 0;) {
      const bool used = std::ranges::any_of(
          best_.requests, [&](const StreamRequest& request) { return request.context == unused; });
      if (used) continue;
      attempt([unused](Stream& stream) {
        stream.contexts.erase(stream.contexts.begin() + unused);
        for (StreamRequest& request : stream.requests) request.context -= request.context > unused;
      });
    }
  }

  Stream best_;
  const std::function<bool(const Stream&)>& fails_;
  bool changed_ = false;
};

}  // namespace

Stream shrink(const Stream& stream, const std::function<bool(const Stream&)>& fails) {
  return StreamShrinker(stream, fails).run();
}

}  // namespace eptsim::tb
