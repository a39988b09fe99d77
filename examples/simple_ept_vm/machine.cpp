#include "examples/simple_ept_vm/machine.hpp"

#include <stdexcept>

namespace eptsim::examples {

using arch::AccessKind;
using arch::Gpa;
using arch::Gva;
using arch::Hpa;

std::uint64_t HostMemory::read64(Hpa address) const {
  const auto word = words_.find(address);
  return word == words_.end() ? 0 : word->second;
}

void HostMemory::write64(Hpa address, std::uint64_t value) { words_[address] = value; }

std::uint64_t HostMemory::compare_exchange64(Hpa address, std::uint64_t expected,
                                             std::uint64_t desired) {
  const std::uint64_t found = read64(address);
  if (found == expected) write64(address, desired);
  return found;
}

Machine::Machine(std::uint64_t frames)
    : frames_(Hpa(0x10'0000), Hpa(0x10'0000 + 4096 * frames)),
      table_(ept::ExtendedPageTable::create(memory_, frames_, {}).value()) {
  const auto page = frames_.allocate();
  if (!page || !table_.map(kDevice, *page, ept::kReadOnly)) {
    throw std::invalid_argument("too few frames for the device's page");
  }
  device_page_ = *page;
  memory_.write64(device_page_, 0x600d);  // what the guest reads from the device
}

bool Machine::run(std::span<const Instruction> program) {
  rip_ = kEntryPoint;
  const ept::Probe processor(memory_, table_.eptp(), table_.settings());
  const ept::GuestState guest{.cr0 = 1};  // protected mode, paging off
  for (const Instruction& instruction : program) {
    const std::uint64_t next = rip_ + instruction.length;
    while (rip_ != next) {
      const auto kind =
          instruction.kind == Instruction::Kind::kStore ? AccessKind::kWrite : AccessKind::kRead;
      const auto outcome = processor.gva_to_hpa(guest, Gva(instruction.address), {.kind = kind});
      if (const auto* translated = std::get_if<ept::Translated>(&outcome)) {
        execute(instruction, translated->hpa);
        rip_ = next;
        continue;
      }
      const auto* violation = std::get_if<ept::EptViolation>(&outcome);
      if (violation == nullptr) return false;
      const std::uint64_t exit_rip = rip_;
      const Exit::Handling handling = handle(instruction, *violation);
      exits_.push_back({exit_rip, *violation, handling});
      if (handling == Exit::Handling::kStopped) return false;
    }
  }
  return true;
}

void Machine::execute(const Instruction& instruction, Hpa hpa) {
  if (instruction.kind == Instruction::Kind::kStore) {
    memory_.write64(hpa, instruction.value);
  } else {
    loaded_.push_back(memory_.read64(hpa));
  }
}

Exit::Handling Machine::handle(const Instruction& instruction, const ept::EptViolation& violation) {
  const Gpa page = violation.gpa.align_down(4096);
  if (page == kDevice) {
    device_log_.push_back(instruction.value);
    rip_ += instruction.length;
    return Exit::Handling::kDeviceStore;
  }
  const auto frame = frames_.allocate();
  if (!frame) return Exit::Handling::kStopped;
  for (std::uint64_t offset = 0; offset < 4096; offset += 8) memory_.write64(*frame + offset, 0);
  auto pending = table_.map(page, *frame, ept::kAllAccess);
  if (!pending) {
    frames_.free(*frame);
    return Exit::Handling::kStopped;
  }
  table_.complete(std::move(*pending));
  return Exit::Handling::kMapped;
}

}  // namespace eptsim::examples
