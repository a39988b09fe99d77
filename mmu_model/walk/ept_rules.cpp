#include "mmu_model/walk/ept_rules.hpp"

#include "ept/arch/fault.hpp"

namespace eptsim::mmu {

namespace qualification = arch::qualification;

namespace {
std::uint64_t bit_if(bool condition, arch::BitField bit) { return condition ? bit.mask() : 0; }
}  // namespace

std::uint64_t violation_bits(const WalkContext& context, EptDemand demand, EptRights rights) {
  return bit_if(demand.read, qualification::kRead) | bit_if(demand.write, qualification::kWrite) |
         bit_if(demand.fetch, qualification::kFetch) |
         bit_if(demand.shadow_stack, qualification::kShadowStack) |
         bit_if(rights.read, qualification::kReadable) |
         bit_if(rights.write, qualification::kWritable) |
         bit_if(rights.execute, qualification::kExecutable) |
         bit_if(context.mode_based_execute && rights.user_execute, qualification::kUserExecutable);
}

std::uint64_t advanced_violation_bits(const WalkContext& context, GuestRights rights) {
  if (!context.raw.cpu.advanced_exit_info) return 0;
  return bit_if(rights.user, qualification::kUserAddress) |
         bit_if(rights.write, qualification::kGuestWritable) |
         bit_if(!rights.execute, qualification::kGuestNx);
}

}  // namespace eptsim::mmu
