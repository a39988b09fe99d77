#pragma once

#include <cstdint>
#include <string_view>

namespace eptsim::arch {

/// What an instruction wants to do with memory.
enum class AccessKind : std::uint8_t {
  kRead,
  kWrite,
  kFetch,
  kReadModifyWrite,
  kShadowStackRead,
  kShadowStackWrite,
};

/// The spelling of requests and results.
constexpr std::string_view name(AccessKind kind) {
  switch (kind) {
    case AccessKind::kRead: return "read";
    case AccessKind::kWrite: return "write";
    case AccessKind::kFetch: return "fetch";
    case AccessKind::kReadModifyWrite: return "read_modify_write";
    case AccessKind::kShadowStackRead: return "shadow_stack_read";
    case AccessKind::kShadowStackWrite: return "shadow_stack_write";
  }
  return "?";
}

constexpr bool is_write(AccessKind kind) {
  return kind == AccessKind::kWrite || kind == AccessKind::kReadModifyWrite ||
         kind == AccessKind::kShadowStackWrite;
}

}  // namespace eptsim::arch
