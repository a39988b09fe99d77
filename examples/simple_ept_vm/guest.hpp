#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "mmu_model/vmx/logical_processor.hpp"

/// The guest: a small operating system, written down as the operations that it executes.
namespace eptsim::examples {

struct Operation {
  enum class Kind : std::uint8_t {
    kStore,    ///< 8 bytes, `value` to the linear address `target`
    kLoad,     ///< 8 bytes from the linear address `target`
    kCpuid,    ///< without operands
    kWrmsr,    ///< `value` to the MSR `target`
    kMovToCr,  ///< `value` to control register `target`: 0, 3 or 4
    kFarJump,  ///< to 64-bit code
    kHlt,      ///< the guest is idle
  };
  Kind kind = Kind::kHlt;
  std::uint64_t target = 0;
  std::uint64_t value = 0;
};

/// A part of the guest's life, with a name.
struct Phase {
  std::string_view name;
  std::vector<Operation> operations;
};

inline constexpr std::uint64_t kDevice = 0xcafe'0000;     ///< guest-physical
inline constexpr std::uint64_t kHeap = 0x7f00'0000'0000;  ///< linear
inline constexpr arch::Gpa kHeapMemory{16ull << 20};      ///< where its pages lie; tables lie below
inline constexpr unsigned kHeapPages = 640;
inline constexpr unsigned kPagesWritten = 600;  ///< of the heap, in the last phase

/// Starts in real mode, builds tables of 2 MiB pages and turns on long mode, then changes to tables
/// of 4 KiB pages; the last phase writes some pages of a heap that the phase before has touched.
/// In the first two phases it also uses the device. Each phase ends with HLT.
std::vector<Phase> make_guest();

/// Executes one operation. If it exits, its second try is up to the hypervisor.
mmu::Completion execute(mmu::LogicalProcessor& processor, const Operation& operation);

}  // namespace eptsim::examples
