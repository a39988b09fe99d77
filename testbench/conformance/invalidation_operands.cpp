#include "testbench/conformance/guest_processor.hpp"
#include "testbench/conformance/procedure.hpp"

// INVEPT and INVVPID: the types and operands that succeed, and how the others fail.
namespace eptsim::tb::conformance {
namespace {

constexpr const char* kFails = "VMfail 28";

/// In VMX root operation, each time anew.
template <class Instruction>
void put(const CheckSink& sink, std::string text, const char* expected, std::uint64_t low,
         std::uint64_t high, Instruction instruction,
         const mmu::VmxCapabilities& capabilities = {}) {
  GuestProcessor processor(MachineState(), capabilities);
  const std::uint64_t operand = processor.operand(low, high);
  sink({std::move(text), expected, text_of(instruction(processor.cpu, operand))});
}

auto invvpid(std::uint64_t type) {
  return [type](mmu::LogicalProcessor& cpu, std::uint64_t operand) {
    return cpu.invvpid(type, operand);
  };
}
auto invept(std::uint64_t type) {
  return [type](mmu::LogicalProcessor& cpu, std::uint64_t operand) {
    return cpu.invept(type, operand);
  };
}

void invvpid_vectors(const CheckSink& sink) {
  for (int type = -127; type <= 127; ++type) {
    // The register has 32 bits here, or 64.
    const auto wide = static_cast<std::uint64_t>(static_cast<std::int64_t>(type));
    put(sink, "INVVPID type " + std::to_string(type), type >= 0 && type <= 3 ? "done" : kFails,
        0xffff, 0, invvpid(wide));
  }
  for (unsigned type = 0; type <= 3; ++type) {
    const std::string text = "INVVPID type " + std::to_string(type);
    for (unsigned bit = 0; bit < 64; ++bit) {
      put(sink, text + ", descriptor bit " + std::to_string(bit), bit < 16 ? "done" : kFails,
          std::uint64_t{1} << bit, 0, invvpid(type));
    }
    put(sink, text + ", VPID 0", type == 2 ? "done" : kFails, 0, 0, invvpid(type));
    put(sink, text + ", address not canonical", type == 0 ? kFails : "done", 1,
        0xaaaa'aaaa'aaaa'aaaa, invvpid(type));
  }
  // A type that the processor lacks.
  constexpr arch::BitField kTypes[] = {
      arch::ept_vpid_cap::kInvvpidAddress, arch::ept_vpid_cap::kInvvpidSingle,
      arch::ept_vpid_cap::kInvvpidAll, arch::ept_vpid_cap::kInvvpidKeepingGlobals};
  for (unsigned lacking = 0; lacking <= 3; ++lacking) {
    mmu::VmxCapabilities capabilities;
    capabilities.invalidations &= ~kTypes[lacking].mask();
    for (unsigned type = 0; type <= 3; ++type) {
      put(sink, "INVVPID type " + std::to_string(type) + " without type " + std::to_string(lacking),
          type == lacking ? kFails : "done", 1, 0, invvpid(type), capabilities);
    }
  }
}

void invept_vectors(const CheckSink& sink) {
  const std::uint64_t eptp = MachineState().context.eptp;
  for (int type = -127; type <= 127; ++type) {
    const auto wide = static_cast<std::uint64_t>(static_cast<std::int64_t>(type));
    put(sink, "INVEPT type " + std::to_string(type), type == 1 || type == 2 ? "done" : kFails, eptp,
        0, invept(wide));
  }
  // Type 1 wants an EPTP that VM entry would take; type 2 doesn't look.
  for (unsigned memory_type = 0; memory_type < 8; ++memory_type) {
    const bool good = memory_type == 0 || memory_type == 6;
    const std::uint64_t low = (eptp & ~std::uint64_t{7}) | memory_type;
    const std::string text = ", EPTP memory type " + std::to_string(memory_type);
    put(sink, "INVEPT type 1" + text, good ? "done" : kFails, low, 0, invept(1));
    put(sink, "INVEPT type 2" + text, "done", low, 0, invept(2));
  }
  for (unsigned length = 0; length < 8; ++length) {
    const bool good = length == 3 || length == 4;
    const std::uint64_t low = (eptp & ~std::uint64_t{0x38}) | std::uint64_t{length} << 3;
    put(sink, "INVEPT type 1, EPTP walk length field " + std::to_string(length),
        good ? "done" : kFails, low, 0, invept(1));
  }
  for (unsigned bit = 8; bit < 64; ++bit) {
    if (bit >= 12 && bit < 46) continue;
    const std::uint64_t low = eptp | std::uint64_t{1} << bit;
    put(sink, "INVEPT type 1, EPTP bit " + std::to_string(bit), kFails, low, 0, invept(1));
    put(sink, "INVEPT type 2, EPTP bit " + std::to_string(bit), "done", low, 0, invept(2));
  }
}

/// The guest's attempts leave it before anything is looked at.
void in_the_guest(const CheckSink& sink) {
  for (const bool ept : {false, true}) {
    for (const std::uint64_t type : {0U, 1U, 2U, 9U}) {
      GuestProcessor processor(MachineState(), {});
      sink({"VM entry", "done", text_of(processor.cpu.vmlaunch())});
      const mmu::Completion completion =
          ept ? processor.cpu.invept(type, 0x5000) : processor.cpu.invvpid(type, 0x5000);
      sink({std::string(ept ? "INVEPT" : "INVVPID") + " in the guest, type " + std::to_string(type),
            ept ? "VM exit 50" : "VM exit 53", text_of(completion)});
    }
  }
}

}  // namespace

void invalidation_operands(const CheckSink& sink) {
  invvpid_vectors(sink);
  invept_vectors(sink);
  in_the_guest(sink);
}

}  // namespace eptsim::tb::conformance
