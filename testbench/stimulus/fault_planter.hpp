#pragma once

#include <array>
#include <vector>

#include "mmu_model/walk/outcome.hpp"
#include "testbench/stimulus/random.hpp"
#include "testbench/stimulus/table_builder.hpp"
#include "testbench/stimulus/test_case.hpp"

namespace eptsim::tb {

/// Breaks a valid case in one place of its walk, in one way, and notes it in `test.planted`. What a
/// fault needs beside the entry (a capability that is off, an access that asks for the right) is
/// set as well. Whether the walk fails there is for the walkers to say: an earlier fault may hide
/// this one.
void plant_fault(Random& random, Levels levels, const std::vector<Spot>& spots, TestCase& test);

/// Breaks it so that the walk ends at `place` for `reason`, one of kAims, if nothing else comes
/// first.
void plant_fault_at(Random& random, Levels levels, const std::vector<Spot>& spots, mmu::Place place,
                    mmu::Reason reason, TestCase& test);

/// Rules that refuse at places which chance seldom comes to.
inline constexpr std::array kAims{
    mmu::Reason::kEptNotPresent,
    mmu::Reason::kEptAddressTooWide,
    mmu::Reason::kEptNotReadable,
    mmu::Reason::kEptNotWritable,
    mmu::Reason::kEptWriteWithoutRead,
    mmu::Reason::kEptExecuteOnlyUnsupported,
    mmu::Reason::kEptReservedBit,
    mmu::Reason::kEptMemoryType,
    mmu::Reason::kEptPagingWriteWithoutRead,
    mmu::Reason::kPmlIndex,
    mmu::Reason::kGuestSupervisorPage,
    mmu::Reason::kGuestProtectionKey,
    mmu::Reason::kLass,
};

}  // namespace eptsim::tb
