#pragma once

#include <functional>

#include "testbench/stimulus/stream.hpp"

namespace eptsim::tb {

/// Takes away what a failing stream does not need (requests, events, back-pressure, words) as long
/// as `fails` says that it still does.
Stream shrink(const Stream& stream, const std::function<bool(const Stream&)>& fails);

}  // namespace eptsim::tb
