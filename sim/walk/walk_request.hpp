#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mmu_model/walk/context.hpp"
#include "mmu_model/walk/outcome.hpp"
#include "sim/json/json_object.hpp"
#include "sim/walk/processor_operation.hpp"

namespace eptsim::sim {

/// A request as a line of a batch, or the command line, puts it.
struct WalkRequest {
  std::string id;  ///< as it stood in the input, quotes included; empty if there was none
  mmu::Request request;
  std::optional<ProcessorOperation> operation{};  ///< instead of a request, where those are known
};

/// The access called `name` ("read", "shadow_stack_write", …). Throws InputError at `place`.
arch::AccessKind access_of(std::string_view name, const std::string& place);

/// Parses the lines of a batch of requests.
class RequestLineParser {
 public:
  /// `operations`: lines may be operations too.
  RequestLineParser(std::string path, const mmu::Context& context, bool operations = false);

  /// Throws InputError with file, line and column for bad JSON, unknown or missing keys, values out
  /// of range, and what the context forbids or this version lacks.
  const WalkRequest& parse(std::string_view line, std::size_t number);

 private:
  void take(std::string_view key, const JsonScalar& scalar);
  void finish_operation(const std::string& place);

  std::string path_;
  const mmu::Context& context_;
  JsonObjectReader reader_;
  JsonObjectReader::Take take_;
  WalkRequest current_;
  bool operations_;
  bool has_address_ = false;
  std::string_view of_request_;  ///< a key that was there and no operation has
  OperationReader operation_;
};

/// Throws InputError at `place` if `request` can't be put to `context`.
void check_request(const mmu::Context& context, const mmu::Request& request,
                   const std::string& place);

}  // namespace eptsim::sim
