#pragma once

#include "sim/sweep/executor.hpp"

namespace eptsim::sim::sweep {

/// Runs points in child processes, `jobs` at a time, begun in their order.
class LocalExecutor : public Executor {
 public:
  explicit LocalExecutor(unsigned jobs) : jobs_(jobs) {}
  void run(const Work& work, const std::atomic<bool>& stop, Watcher& watcher) override;

 private:
  unsigned jobs_;
};

}  // namespace eptsim::sim::sweep
