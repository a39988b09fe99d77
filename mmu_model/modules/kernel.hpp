#pragma once

#include <systemc>

#if defined(__SANITIZE_ADDRESS__)
#include <pthread.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace eptsim::mmu {

/// Runs the kernel until nothing has anything left to do, or sc_pause.
///
/// libsystemc tells AddressSanitizer of its switches between the stacks of threads, but on the way
/// back not where the main stack lies. Left so, an exception thrown afterwards would look like an
/// error; so the stack is named again.
inline void run_kernel() {
  sc_core::sc_start();
#if defined(__SANITIZE_ADDRESS__)
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return;
  void* bottom = nullptr;
  std::size_t size = 0;
  pthread_attr_getstack(&attributes, &bottom, &size);
  pthread_attr_destroy(&attributes);
  __sanitizer_start_switch_fiber(nullptr, bottom, size);
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
}

}  // namespace eptsim::mmu
