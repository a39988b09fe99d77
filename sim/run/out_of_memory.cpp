#include "sim/run/out_of_memory.hpp"

namespace eptsim::sim {

InputError out_of_memory(const PhysicalFrames& memory, const std::string& what) {
  return {"dram.bytes",
          "the machine's pages outrun its memory: no room for " + what + " in " +
              std::to_string(memory.bytes()) + " bytes, of which " +
              std::to_string(memory.taken_bytes()) + " are in use; expected more memory",
          "raise dram.bytes, or use smaller pages or a shorter piece of the trace"};
}

}  // namespace eptsim::sim
