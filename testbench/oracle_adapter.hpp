#pragma once

#include <optional>

#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/translate.hpp"
#include "testbench/oracle/oracle.hpp"

/// The oracle's questions and answers in the model's terms. The oracle itself knows nothing of the
/// project; here is the one place where the two vocabularies meet.
namespace eptsim::tb {

oracle::State state_of(const mmu::Context& context);
oracle::Access access_of(const mmu::Request& request);

/// What the architecture defines of an outcome; rights, reasons and places are not the oracle's.
mmu::Outcome outcome_of(const oracle::Page& page);

/// References and writes in order. The oracle tells kind and level of a reference, not at which
/// guest level an EPT entry was read, nor whether for an HLAT entry: there
/// `guest_level` is 0, and `hlat` false.
mmu::Recording recording_of(const oracle::Result& result);

}  // namespace eptsim::tb
