#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

/// Vectors that are no single translation: they are put to the processor's caches and to its VMX
/// instructions. The form is the same: a name, what is expected, what came.
namespace eptsim::tb::conformance {

struct Check {
  std::string name;
  std::string expected;
  std::string got;
};
using CheckSink = std::function<void(const Check&)>;

struct Procedure {
  std::string_view name;
  std::string_view subject;  ///< one line
  void (*generate)(const CheckSink&);
};

/// All of them.
std::span<const Procedure> procedures();

void invalidation(const CheckSink& sink);
void invalidation_operands(const CheckSink& sink);
void eptp_switching(const CheckSink& sink);

}  // namespace eptsim::tb::conformance
