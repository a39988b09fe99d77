#include "sim/walk/processor_operation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <vector>

#include "sim/input_error.hpp"
#include "sim/near_miss.hpp"

namespace eptsim::sim {
namespace {

constexpr std::uint64_t kAny = ~std::uint64_t{0};

/// A key and where its value goes. That of a control register has the register's name.
struct Operand {
  std::string_view key;
  std::optional<std::uint64_t> ProcessorOperation::* member;
  std::uint64_t largest;
};

constexpr Operand kOperands[] = {
    {"type", &ProcessorOperation::type, 3},
    {"eptp", &ProcessorOperation::eptp, kAny},
    {"vpid", &ProcessorOperation::vpid, 0xffff},
    {"pcid", &ProcessorOperation::pcid, 0xfff},
    {"value", &ProcessorOperation::value, kAny},
    {"store.address", &ProcessorOperation::address, (std::uint64_t{1} << 52) - 1},
    {"store.value", &ProcessorOperation::value, kAny},
    {"store.size", &ProcessorOperation::size, 8},
};

struct Named {
  std::string_view name;
  OperationKind kind;
};

constexpr Named kNamed[] = {
    {"invept", OperationKind::kInvept},
    {"invvpid", OperationKind::kInvvpid},
    {"invpcid", OperationKind::kInvpcid},
    {"invlpg", OperationKind::kInvlpg},
    {"mov_cr0", OperationKind::kMovCr0},
    {"mov_cr3", OperationKind::kMovCr3},
    {"mov_cr4", OperationKind::kMovCr4},
    {"vmfunc", OperationKind::kVmfunc},
    {"vm_transition", OperationKind::kVmTransition},
};

/// The operands that an operation needs, and no others.
std::vector<std::string_view> needed(const ProcessorOperation& operation) {
  const std::uint64_t type = operation.type.value_or(0);
  switch (operation.kind) {
    case OperationKind::kInvept:
      return type == 1 ? std::vector<std::string_view>{"type", "eptp"}
                       : std::vector<std::string_view>{"type"};
    case OperationKind::kInvvpid:
      if (type == 0) return {"type", "vpid", "gva"};
      return type == 2 ? std::vector<std::string_view>{"type"}
                       : std::vector<std::string_view>{"type", "vpid"};
    case OperationKind::kInvpcid:
      if (type == 0) return {"type", "pcid", "gva"};
      return type == 1 ? std::vector<std::string_view>{"type", "pcid"}
                       : std::vector<std::string_view>{"type"};
    case OperationKind::kInvlpg: return {"gva"};
    case OperationKind::kMovCr0:
    case OperationKind::kMovCr3:
    case OperationKind::kMovCr4: return {"value"};
    case OperationKind::kVmfunc: return {"eptp"};
    case OperationKind::kVmTransition: return {};
    case OperationKind::kStore: return {"store.address", "store.value", "store.size"};
  }
  return {};
}

std::string_view name(OperationKind kind) {
  const auto* named = std::ranges::find(kNamed, kind, &Named::kind);
  return named != std::end(kNamed) ? named->name : "store";
}

}  // namespace

bool OperationReader::take(const JsonObjectReader& reader, std::string_view key,
                           const JsonScalar& scalar) {
  if (key == "invalidate") {
    const std::string_view text = text_of(reader, key, scalar);
    const auto* named = std::ranges::find(kNamed, text, &Named::name);
    if (named == std::end(kNamed)) {
      std::vector<std::string_view> names;
      for (const Named& known : kNamed) names.push_back(known.name);
      throw InputError(reader.place(),
                       fmt::format("unknown operation '{}', expected one of {}", shown(text),
                                   fmt::join(names, ", ")),
                       did_you_mean(text, names));
    }
    operation_.kind = named->kind;
    any_ = named_ = true;
    return true;
  }
  const auto* operand = std::ranges::find(kOperands, key, &Operand::key);
  if (operand == std::end(kOperands)) return false;
  operation_.*operand->member = number_of(reader, key, scalar, operand->largest);
  any_ = true;
  return true;
}

ProcessorOperation OperationReader::finish(std::optional<std::uint64_t> gva,
                                           const std::string& place) {
  ProcessorOperation& it = operation_;
  it.gva = gva;
  if (it.kind == OperationKind::kStore && !it.size) it.size = 8;
  if (named_ && (it.address || it.size)) {
    throw InputError(place, "both invalidate and store, expected one");
  }
  const std::vector<std::string_view> wanted = needed(it);
  const auto check = [&](std::string_view key, bool there) {
    const bool expected = std::ranges::find(wanted, key) != wanted.end();
    if (expected == there) return;
    throw InputError(place, expected ? fmt::format("{} needs {}", name(it.kind), key)
                                     : fmt::format("{} does not belong to {}", key, name(it.kind)));
  };
  check("gva", it.gva.has_value());
  for (const Operand& operand : kOperands) {
    // A store's value and a register's share a member.
    if (operand.member == &ProcessorOperation::value &&
        (operand.key == "value") == (it.kind == OperationKind::kStore)) {
      continue;
    }
    check(operand.key, (it.*operand.member).has_value());
  }
  if (it.kind == OperationKind::kInvept && (*it.type < 1 || *it.type > 2)) {
    throw InputError(place, "invept: VMfail, error 28: type must be 1 or 2");
  }
  if (it.size && (!std::has_single_bit(*it.size) || *it.address % *it.size != 0)) {
    throw InputError(place, "store: size must be 1, 2, 4 or 8, and address a multiple of it");
  }
  return it;
}

}  // namespace eptsim::sim
