#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ept/extended_page_table.hpp"
#include "ept/frame_pool.hpp"
#include "examples/simple_ept_vm/guest.hpp"
#include "examples/simple_ept_vm/host_memory.hpp"
#include "mmu_model/vmx/logical_processor.hpp"

/// A hypervisor that fits in one's head: memory on demand, a device behind a read-only page, and
/// dirty logging in two ways.
namespace eptsim::examples {

/// How the hypervisor learns which pages the guest writes.
enum class DirtyLogging : std::uint8_t { kOff, kPml, kWriteProtection };

/// A VM exit, and what the hypervisor made of it.
struct Exit {
  arch::ExitReason reason{};
  std::uint64_t rip = 0;
  std::uint64_t qualification = 0;
  std::uint64_t gpa = 0;  ///< of EPT violations
  std::string_view handling;
};

class Hypervisor {
 public:
  /// The guest's memory: what lies below, and the device's page.
  static constexpr std::uint64_t kGuestBytes = 64ull << 20;
  static constexpr std::uint64_t kEntryPoint = 0x7c00;

  /// With `frames` frames of 4 KiB for tables and guest together. Nothing is written to before the
  /// guest touches it. Throws std::runtime_error if there are too few to begin with, or if VM entry
  /// refuses what was set up.
  explicit Hypervisor(DirtyLogging logging, std::uint64_t frames = 4096);

  /// Runs the operations, resuming the guest after each exit, until the guest is idle; false if it
  /// had to be stopped.
  bool run(std::span<const Operation> program);

  /// From here on the pages that the guest writes are found.
  void start_logging();
  /// The guest-physical pages written since.
  std::set<arch::Gpa> stop_logging();

  const std::vector<Exit>& exits() const { return exits_; }
  const std::vector<std::uint64_t>& loaded() const { return loaded_; }
  /// The values that the device took.
  const std::vector<std::uint64_t>& device_log() const { return device_log_; }
  const mmu::LogicalProcessor& processor() const { return processor_; }
  const ept::ExtendedPageTable& table() const { return table_; }
  const HostMemory& memory() const { return memory_; }
  std::uint64_t invepts() const { return invepts_; }

 private:
  enum class Next : std::uint8_t { kRetry, kStepOver, kIdle, kStop };
  struct Handled {
    Next next;
    std::string_view text;
  };

  std::uint64_t read(arch::vmcs::Field field);
  void write(arch::vmcs::Field field, std::uint64_t value);
  void write_controls(arch::vmcs::Field field, std::uint64_t wanted);
  void set_up();
  void resume();
  arch::Hpa frame();

  Handled handle(arch::ExitReason reason, const Operation& operation);
  Handled handle_violation(arch::Gpa gpa, const Operation& operation);
  void drain_log();
  void finish(ept::PendingInvalidation pending);

  HostMemory memory_;
  ept::FramePool frames_;
  ept::ExtendedPageTable table_;
  mmu::LogicalProcessor processor_;
  mmu::Vmcs vmcs_;
  DirtyLogging logging_;
  arch::Hpa invept_descriptor_;
  arch::Hpa log_;
  bool launched_ = false;
  std::set<arch::Gpa> dirty_;
  std::vector<Exit> exits_;
  std::vector<std::uint64_t> loaded_;
  std::vector<std::uint64_t> device_log_;
  std::uint64_t invepts_ = 0;
};

}  // namespace eptsim::examples
