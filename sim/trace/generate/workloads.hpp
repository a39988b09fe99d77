#pragma once

#include "sim/trace/generate/workload.hpp"

/// The declarations of all workloads. Each stands in a file of its own beside this one; to add one,
/// name it here and in workload.cpp.
namespace eptsim::sim::generate {

Workload gups();
Workload chase();
Workload stream();
Workload mix();
Workload btree();
Workload hash_join();
Workload graph();
Workload spmv();

}  // namespace eptsim::sim::generate
