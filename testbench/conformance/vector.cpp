#include "testbench/conformance/vector.hpp"

namespace eptsim::tb::conformance {

using mmu::OutcomeKind;

Expected translated() { return {}; }

Expected translated(std::uint64_t gpa, std::uint64_t hpa) {
  Expected expected;
  expected.gpa = gpa;
  expected.hpa = hpa;
  return expected;
}

Expected violation(std::uint64_t qualification, std::uint64_t gpa) {
  Expected expected;
  expected.kind = OutcomeKind::kEptViolation;
  expected.qualification = qualification;
  expected.gpa = gpa;
  return expected;
}

Expected misconfiguration(std::uint64_t gpa) {
  Expected expected;
  expected.kind = OutcomeKind::kEptMisconfiguration;
  expected.gpa = gpa;
  return expected;
}

Expected page_fault(std::uint32_t error_code) {
  Expected expected;
  expected.kind = OutcomeKind::kPageFault;
  expected.error_code = error_code;
  return expected;
}

Expected refused_by_vm_entry() {
  Expected expected;
  expected.entered = false;
  return expected;
}

Expected general_protection() {
  Expected expected;
  expected.kind = OutcomeKind::kGeneralProtection;
  return expected;
}

std::string_view name(Op op) {
  switch (op) {
    case Op::kR: return "R";
    case Op::kW: return "W";
    case Op::kX: return "X";
    case Op::kXu: return "XU";
  }
  return "?";
}

mmu::Request request_of(Op op, std::uint64_t linear) {
  mmu::Request request;
  request.address = linear + offset_of(op);
  if (op == Op::kW) request.access = arch::AccessKind::kWrite;
  if (op == Op::kX || op == Op::kXu) request.access = arch::AccessKind::kFetch;
  request.user = op == Op::kXu;
  return request;
}

std::uint64_t ept_rights(std::string_view letters) {
  std::uint64_t bits = 0;
  for (const char letter : letters) {
    if (letter == 'r') bits |= 1;
    if (letter == 'w') bits |= 2;
    if (letter == 'x') bits |= 4;
    if (letter == 'u') bits |= 0x400;
  }
  return bits;
}

}  // namespace eptsim::tb::conformance
