#include "sim/trace/champsim_writer.hpp"

#include <algorithm>

#include "sim/input_error.hpp"
#include "sim/trace/champsim.hpp"

namespace eptsim::sim {
namespace {

/// Registers that hold what was loaded. Those below have a meaning of their own: the stack pointer,
/// the flags, the instruction pointer.
constexpr std::uint8_t kFirstRegister = 64;
constexpr std::uint64_t kRegisters = 128;
/// Where the trace has none: 0 isn't an instruction's.
constexpr std::uint64_t kSomeInstruction = 0x400000;
constexpr std::size_t kPiece = std::size_t{1} << 16;

std::uint64_t instruction_of(const Record& record) {
  return record.ip != 0 ? record.ip : kSomeInstruction;
}

/// As an operand: 0 stands for none.
std::uint64_t operand_of(const Record& record) {
  return std::max<std::uint64_t>(record.address, 1);
}

/// What load number `load` is loaded into.
constexpr std::uint8_t register_of(std::uint64_t load) {
  return static_cast<std::uint8_t>(kFirstRegister + load % kRegisters);
}

void store64(std::uint8_t* to, std::uint64_t value) {
  for (unsigned byte = 0; byte < 8; ++byte) to[byte] = static_cast<std::uint8_t>(value >> 8 * byte);
}

}  // namespace

void ChampsimWriter::add(const Record& record) {
  if (!is_access(record.kind)) {
    ++counts_.events;
  } else if (!has_first_) {
    has_first_ = true;
    first_ = record;
  } else if (record.vcpu != first_.vcpu || record.vm != first_.vm || record.asid != first_.asid) {
    throw InputError("--to champsim",
                     "the trace has several vCPUs, machines or address spaces, and the format one");
  }
  if (record.instructions != 0) begin_instructions(record);
  if (!is_access(record.kind)) return;
  ++counts_.accesses;
  if (record.kind == RecordKind::kFetch) {
    if (!open_) begin(record.address);
    instruction_.ip = record.address;
    return;
  }
  add_access(record);
}

void ChampsimWriter::begin(std::uint64_t ip) {
  if (open_) write(instruction_);
  open_ = true;
  instruction_ = {.ip = ip, .first_load = loads_};
}

/// Those before the record's own have no access.
void ChampsimWriter::begin_instructions(const Record& record) {
  for (std::uint32_t i = 0; i < record.instructions; ++i) begin(instruction_of(record));
}

void ChampsimWriter::add_access(const Record& record) {
  const bool loads = record.kind != RecordKind::kWrite;
  const bool stores = record.kind != RecordKind::kRead;
  if (!open_) {
    begin(instruction_of(record));
  } else if ((loads && instruction_.load_count == kLoads) ||
             (stores && instruction_.store_count == kStores)) {
    begin(instruction_.ip);
  }
  depend_on(record);
  if (stores) instruction_.stores.at(instruction_.store_count++) = operand_of(record);
  if (!loads) return;
  instruction_.loads.at(instruction_.load_count++) = operand_of(record);
  // Of more loads than there are places, the last two are known by their registers.
  auto& written = instruction_.written;
  if (instruction_.written_count == written.size()) {
    written[0] = written[1];
    --instruction_.written_count;
  }
  written.at(instruction_.written_count++) = register_of(loads_++);
}

void ChampsimWriter::depend_on(const Record& record) {
  if (record.depends_on == 0 || record.depends_on > loads_) return;
  auto& read = instruction_.read;
  const std::uint64_t load = loads_ - record.depends_on;
  const std::uint8_t from = register_of(load);
  const auto end = read.begin() + static_cast<std::ptrdiff_t>(instruction_.read_count);
  if (record.depends_on > kRegisters || load >= instruction_.first_load ||
      instruction_.read_count == read.size()) {
    ++counts_.dependences;
    return;
  }
  if (std::find(read.begin(), end, from) != end) return;
  read.at(instruction_.read_count++) = from;
}

void ChampsimWriter::write(const Instruction& instruction) {
  ++counts_.instructions;
  const std::size_t at = bytes_.size();
  bytes_.resize(at + kChampsim.bytes);
  std::uint8_t* const record = &bytes_[at];
  store64(record, instruction.ip);
  std::ranges::copy(instruction.written, record + kChampsim.destination_registers);
  std::ranges::copy(instruction.read, record + kChampsim.source_registers);
  for (std::size_t i = 0; i < kStores; ++i) {
    store64(record + kChampsim.destination_memory + 8 * i, instruction.stores[i]);
  }
  for (std::size_t i = 0; i < kLoads; ++i) {
    store64(record + kChampsim.source_memory + 8 * i, instruction.loads[i]);
  }
  if (bytes_.size() < kPiece) return;
  file_.write(bytes_);
  bytes_.clear();
}

void ChampsimWriter::finish() {
  if (open_) write(instruction_);
  open_ = false;
  file_.write(bytes_);
  file_.finish();
}

}  // namespace eptsim::sim
