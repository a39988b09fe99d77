#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <type_traits>
#include <vector>

namespace eptsim::mmu {

/// Memory of zeros, which the host hands out a page at a time as it is touched. What is made in it
/// without a value is made of those zeros, and not written: of a large array a run pays for what it
/// uses. For types of which zeros are the value without one, in vectors that don't shrink.
template <class T>
struct ZeroedAllocator {
  static_assert(std::is_trivially_copyable_v<T>);
  using value_type = T;

  ZeroedAllocator() = default;
  template <class U>
  explicit ZeroedAllocator(const ZeroedAllocator<U>&) {}

  T* allocate(std::size_t count) {
    void* const memory = std::calloc(count, sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) { std::free(memory); }
  void construct(T*) {}
  template <class... Values>
  void construct(T* place, Values&&... values) {
    ::new (static_cast<void*>(place)) T(static_cast<Values&&>(values)...);
  }
  friend bool operator==(const ZeroedAllocator&, const ZeroedAllocator&) { return true; }
};

template <class T>
using ZeroedVector = std::vector<T, ZeroedAllocator<T>>;

}  // namespace eptsim::mmu
