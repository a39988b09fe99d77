#include "sim/trace/champsim.hpp"

#include <fmt/format.h>

#include <limits>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

// Registers that nearly every instruction reads, though no address is made of what was loaded into
// them: the stack pointer, the flags and the instruction pointer, as the format numbers them.
constexpr bool carries_no_address(unsigned register_number) {
  return register_number == 0 || register_number == 6 || register_number == 25 ||
         register_number == 26;
}

std::uint64_t load64(const std::byte* at) { return load_little<std::uint64_t>(at); }

template <class Check>
bool all_addresses(const ChampsimLayout& layout, const std::byte* at, Check check) {
  if (!check(load64(at))) return false;
  for (std::size_t i = 0; i < layout.source_memory_count; ++i)
    if (!check(load64(at + layout.source_memory + 8 * i))) return false;
  for (std::size_t i = 0; i < layout.destination_memory_count; ++i)
    if (!check(load64(at + layout.destination_memory + 8 * i))) return false;
  return true;
}

}  // namespace

bool looks_like_champsim(const ChampsimLayout& layout, std::span<const std::byte> bytes) {
  if (bytes.size() < layout.bytes) return false;
  for (; bytes.size() >= layout.bytes; bytes = bytes.subspan(layout.bytes)) {
    const auto is_branch = std::to_integer<unsigned>(bytes[8]);
    const auto taken = std::to_integer<unsigned>(bytes[9]);
    if (is_branch > 1 || taken > is_branch || load64(bytes.data()) == 0 ||
        !all_addresses(layout, bytes.data(),
                       [](std::uint64_t address) { return is_canonical(address, 57); }))
      return false;
  }
  return true;
}

std::uint64_t ChampsimReader::feeding_load(const std::byte* instruction) const {
  std::uint64_t latest = kNoLoad;
  for (std::size_t i = 0; i < layout_.source_register_count; ++i) {
    const auto number = std::to_integer<unsigned>(instruction[layout_.source_registers + i]);
    const auto load = register_load_[number];
    if (carries_no_address(number) || load == kNoLoad) continue;
    if (latest == kNoLoad || load > latest) latest = load;
  }
  return latest;
}

void ChampsimReader::add(RecordKind kind, std::uint64_t address, std::uint64_t feeding_load) {
  Record record;
  record.kind = kind;
  record.address = address;
  record.ip = decoded_[0].ip;
  record.size = 1;
  if (feeding_load != kNoLoad && loads_ - feeding_load <= std::numeric_limits<std::uint32_t>::max())
    record.depends_on = static_cast<std::uint32_t>(loads_ - feeding_load);
  if (kind == RecordKind::kRead || kind == RecordKind::kModify) ++loads_;
  decoded_[decoded_count_++] = record;
}

bool ChampsimReader::decode_instruction() {
  const auto bytes = stream_.peek(layout_.bytes);
  if (bytes.empty()) return false;
  const auto offset = stream_.offset();
  ++instruction_;
  if (bytes.size() < layout_.bytes)
    throw InputError(stream_.place(offset, instruction_),
                     fmt::format("the file ends after {} of the record's {} bytes: it is truncated",
                                 bytes.size(), layout_.bytes));
  const std::byte* at = bytes.data();
  all_addresses(layout_, at, [&](std::uint64_t address) {
    if (!is_canonical(address, linear_bits_))
      throw InputError(stream_.place(offset, instruction_),
                       fmt::format("address {:#x} isn't canonical, expected one of {} bits",
                                   address, linear_bits_));
    return true;
  });

  decoded_count_ = 1;
  given_ = 0;
  decoded_[0] = Record{};
  decoded_[0].kind = RecordKind::kFetch;
  decoded_[0].ip = decoded_[0].address = load64(at);
  decoded_[0].size = 1;
  decoded_[0].instructions = 1;

  const auto feeding = feeding_load(at);
  const auto loads_before = loads_;
  const auto source = [&](std::size_t i) { return load64(at + layout_.source_memory + 8 * i); };
  const auto destination = [&](std::size_t i) {
    return load64(at + layout_.destination_memory + 8 * i);
  };
  for (std::size_t i = 0; i < layout_.source_memory_count; ++i) {
    if (source(i) == 0) continue;
    bool stored_too = false;
    for (std::size_t j = 0; j < layout_.destination_memory_count; ++j)
      stored_too |= destination(j) == source(i);
    add(stored_too ? RecordKind::kModify : RecordKind::kRead, source(i), feeding);
  }
  for (std::size_t j = 0; j < layout_.destination_memory_count; ++j) {
    if (destination(j) == 0) continue;
    bool loaded_too = false;
    for (std::size_t i = 0; i < layout_.source_memory_count; ++i)
      loaded_too |= source(i) == destination(j);
    if (!loaded_too) add(RecordKind::kWrite, destination(j), feeding);
  }

  const auto result = loads_ > loads_before ? loads_ - 1 : feeding;
  for (std::size_t i = 0; i < layout_.destination_register_count; ++i)
    register_load_[std::to_integer<unsigned>(at[layout_.destination_registers + i])] = result;
  stream_.consume(layout_.bytes);
  return true;
}

bool ChampsimReader::next(Record& record) {
  if (given_ == decoded_count_ && !decode_instruction()) return false;
  record = decoded_[given_++];
  return true;
}

}  // namespace eptsim::sim
