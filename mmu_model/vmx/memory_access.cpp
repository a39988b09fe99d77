#include <cstdint>

#include "ept/arch/fault.hpp"
#include "ept/arch/page_size.hpp"
#include "mmu_model/vmx/logical_processor.hpp"
#include "mmu_model/walk/guest_rules.hpp"
#include "mmu_model/word_access.hpp"

/// Accesses of the guest and of the hypervisor: translated, refused, or done.
namespace eptsim::mmu {

using arch::AccessKind;
using arch::ExitReason;
using arch::Hpa;
using arch::Vector;

namespace {
constexpr std::uint64_t kPage = arch::bytes(arch::PageSize::k4K);

constexpr bool is_shadow_stack(AccessKind kind) {
  return kind == AccessKind::kShadowStackRead || kind == AccessKind::kShadowStackWrite;
}
}  // namespace

TranslationCaches::Answer LogicalProcessor::translate(const WalkContext& context,
                                                      const Request& request) {
  NoRecording nothing;
  const auto answer = caches_.translate(context, request, *memory_, nothing);
  ++activity_.translations;
  activity_.walks += answer.tlb_hit ? 0 : 1;
  activity_.references += answer.references;
  if (in_non_root() && answer.pml_index != context.raw.pml_index) {
    vmcs_->set(arch::vmcs::kPmlIndex, answer.pml_index);
    context_.reset();
  }
  return answer;
}

LogicalProcessor::Refused LogicalProcessor::locate(const Request& request, bool stack,
                                                   Operand& operand) {
  std::array<Request, 2> parts{request, request};
  operand.count = 1;
  const std::uint64_t room = kPage - request.address % kPage;
  if (request.size > room) {
    operand.count = 2;
    parts[0].size = static_cast<std::uint8_t>(room);
    parts[1].size = static_cast<std::uint8_t>(request.size - room);
    parts[1].address = (request.address + room) & registers_.linear_mask();
  }
  // What is refused before paging is refused for all bytes before anything is translated.
  for (unsigned i = 0; i < operand.count; ++i) {
    const Reason reason = linear_address_refusal(context(), parts[i]);
    if (reason == Reason::kNone) continue;
    return refuse(parts[i], {.kind = OutcomeKind::kGeneralProtection, .reason = reason}, stack);
  }
  for (unsigned i = 0; i < operand.count; ++i) {
    const WalkContext* context = &this->context();
    std::optional<WalkContext> without_ve;
    if (instruction_.delivering && context->virtualization_exceptions) {
      // No #VE arises while an event is delivered (SDM 28.5.7.2).
      without_ve = *context;
      without_ve->virtualization_exceptions = false;
      context = &*without_ve;
    }
    const Outcome outcome = translate(*context, parts[i]).outcome;
    if (outcome.kind != OutcomeKind::kTranslated) return refuse(parts[i], outcome, stack);
    operand.pieces[i] = {.hpa = outcome.hpa, .size = parts[i].size};
  }
  return std::nullopt;
}

Completion LogicalProcessor::refuse(const Request& request, const Outcome& outcome, bool stack) {
  const auto exit_with = [&](ExitReason reason) {
    using arch::qualification::kNmiUnblocking;
    ExitInformation information{
        .qualification = outcome.qualification, .fault_like = true, .during_delivery = true};
    if (reason != ExitReason::kEptMisconfiguration && unblocks_nmis()) {
      information.qualification |= kNmiUnblocking.mask();
    }
    // SDM 30.2.1: which exits tell which addresses.
    if (reason != ExitReason::kPmlFull) information.gpa = outcome.gpa;
    if (outcome.linear_valid || (reason == ExitReason::kSppEvent && request.linear)) {
      information.linear = request.address;
    }
    return exit(reason, information);
  };
  switch (outcome.kind) {
    case OutcomeKind::kGeneralProtection:
      return raise(stack ? Vector::kStackSegment : Vector::kGeneralProtection);
    case OutcomeKind::kPageFault:
      return raise({.vector = Vector::kPageFault,
                    .error_code = outcome.error_code,
                    .address = request.address});
    case OutcomeKind::kEptViolation: return exit_with(ExitReason::kEptViolation);
    case OutcomeKind::kEptMisconfiguration: return exit_with(ExitReason::kEptMisconfiguration);
    case OutcomeKind::kPmlFull: return exit_with(ExitReason::kPmlFull);
    case OutcomeKind::kSppEvent: return exit_with(ExitReason::kSppEvent);
    case OutcomeKind::kVirtualizationException: return raise(Vector::kVirtualization);
    case OutcomeKind::kTranslated: break;
  }
  return Completion::done();
}

std::uint64_t LogicalProcessor::load(const Operand& operand, unsigned first, unsigned size) const {
  std::uint64_t value = 0;
  unsigned at = 0;
  for (unsigned i = 0; i < operand.count; ++i) {
    for (unsigned byte = 0; byte < operand.pieces[i].size; ++byte, ++at) {
      if (at < first || at >= first + size) continue;
      value |= read(*memory_, Hpa(operand.pieces[i].hpa + byte), 1) << (8 * (at - first));
    }
  }
  return value;
}

void LogicalProcessor::store(const Operand& operand, unsigned size, std::uint64_t value) {
  unsigned at = 0;
  for (unsigned i = 0; i < operand.count; ++i) {
    for (unsigned byte = 0; byte < operand.pieces[i].size && at < size; ++byte, ++at) {
      write(*memory_, Hpa(operand.pieces[i].hpa + byte), 1, (value >> (8 * at)) & 0xff);
    }
  }
}

LogicalProcessor::Refused LogicalProcessor::read_descriptor(std::uint64_t linear, bool stack,
                                                            std::array<std::uint64_t, 2>& words) {
  const Request request{.address = linear & registers_.linear_mask(), .size = 16};  // at CPL 0
  Operand operand;
  if (Refused refused = locate(request, stack, operand)) return refused;
  words = {load(operand, 0, 8), load(operand, 8, 8)};
  return std::nullopt;
}

Completion LogicalProcessor::access(const MemoryAccess& access) {
  const bool fetch = access.kind == AccessKind::kFetch;
  instruction_ = {
      .length = access.instruction_length, .iret = access.iret, .delivering = access.delivering};
  const Request request{.address = access.address & registers_.linear_mask(),
                        .access = access.kind,
                        .user = access.user || registers_.cpl == 3,
                        .implicit = access.implicit,
                        .size = access.size};
  if (fetch) registers_.rip = request.address;
  if (is_shadow_stack(access.kind) && !arch::cr4::kCet.any(registers_.cr4)) {
    return raise(Vector::kInvalidOpcode);
  }
  Operand operand;
  if (Refused refused = locate(request, access.stack, operand)) return *refused;
  const std::uint64_t value = access.kind == AccessKind::kWrite ? 0 : load(operand, 0, access.size);
  if (arch::is_write(access.kind)) store(operand, access.size, access.value);
  if (access.iret) registers_.nmi_blocked = false;
  // The instruction that was fetched, or whose event is delivered, is not the one that completes.
  if (fetch || access.delivering) return Completion::done(value);
  return complete(value);
}

}  // namespace eptsim::mmu
