#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "ept/extended_page_table.hpp"
#include "ept/frame_pool.hpp"
#include "ept/probe.hpp"

/// The smallest virtual machine that shows what EPT is for: memory that appears when the guest
/// first touches it, and a device behind a page that the guest may read but not write.
namespace eptsim::examples {

/// The host's memory: words that were written; all others are zero.
class HostMemory final : public arch::PhysicalMemory {
 public:
  std::uint64_t read64(arch::Hpa address) const override;
  void write64(arch::Hpa address, std::uint64_t value) override;
  std::uint64_t compare_exchange64(arch::Hpa address, std::uint64_t expected,
                                   std::uint64_t desired) override;

 private:
  std::map<arch::Hpa, std::uint64_t> words_;
};

/// What the guest can do: load or store 8 bytes.
struct Instruction {
  enum class Kind : std::uint8_t { kLoad, kStore };
  Kind kind = Kind::kLoad;
  std::uint64_t address = 0;  ///< a multiple of 8; paging is off, so it is guest-physical too
  std::uint64_t value = 0;    ///< that a store stores
  unsigned length = 4;        ///< of the instruction, in bytes
};

/// A VM exit and what the hypervisor did about it.
struct Exit {
  enum class Handling : std::uint8_t {
    kMapped,       ///< a fresh frame was mapped, and the instruction runs again
    kDeviceStore,  ///< the device took the value, and the guest goes on behind the instruction
    kStopped,      ///< nothing could be done
  };
  std::uint64_t rip = 0;
  ept::EptViolation violation;
  Handling handling = Handling::kStopped;
};

/// A guest and the hypervisor under it. The guest runs in protected mode without paging, so its
/// addresses are guest-physical.
class Machine {
 public:
  static constexpr arch::Gpa kDevice{0xcafe'0000};
  static constexpr std::uint64_t kEntryPoint = 0x7c00;

  /// With `frames` frames of memory for tables and guest together; five are the least.
  explicit Machine(std::uint64_t frames);

  /// Runs the program from the entry point until its end; false if the hypervisor had to stop it.
  bool run(std::span<const Instruction> program);

  std::uint64_t rip() const { return rip_; }
  /// The values loaded, in order.
  const std::vector<std::uint64_t>& loaded() const { return loaded_; }
  /// The values that the device took, in order.
  const std::vector<std::uint64_t>& device_log() const { return device_log_; }
  const std::vector<Exit>& exits() const { return exits_; }
  const ept::ExtendedPageTable& table() const { return table_; }
  const HostMemory& memory() const { return memory_; }
  arch::Hpa device_page() const { return device_page_; }

 private:
  void execute(const Instruction& instruction, arch::Hpa hpa);
  Exit::Handling handle(const Instruction& instruction, const ept::EptViolation& violation);

  HostMemory memory_;
  ept::FramePool frames_;
  ept::ExtendedPageTable table_;
  arch::Hpa device_page_;
  std::uint64_t rip_ = kEntryPoint;
  std::vector<std::uint64_t> loaded_;
  std::vector<std::uint64_t> device_log_;
  std::vector<Exit> exits_;
};

}  // namespace eptsim::examples
