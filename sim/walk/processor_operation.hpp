#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sim/json/json_object.hpp"

namespace eptsim::sim {

/// What software does between translations, as a line of a batch with `--cached` puts it.
enum class OperationKind : std::uint8_t {
  kStore,  ///< to host-physical memory
  kInvept,
  kInvvpid,
  kInvpcid,
  kInvlpg,
  kMovCr0,
  kMovCr3,
  kMovCr4,
  kVmfunc,        ///< EPTP switching
  kVmTransition,  ///< VM exit and entry
};

/// An operation and its operands; those that it does not have are absent.
struct ProcessorOperation {
  OperationKind kind = OperationKind::kStore;
  std::optional<std::uint64_t> type{};     ///< of INVEPT, INVVPID and INVPCID
  std::optional<std::uint64_t> eptp{};     ///< INVEPT type 1, VMFUNC
  std::optional<std::uint64_t> vpid{};     ///< INVVPID but for type 2
  std::optional<std::uint64_t> pcid{};     ///< INVPCID types 0 and 1
  std::optional<std::uint64_t> gva{};      ///< INVLPG; INVVPID and INVPCID type 0
  std::optional<std::uint64_t> value{};    ///< of a control register; of a store
  std::optional<std::uint64_t> address{};  ///< of a store, a multiple of its size
  std::optional<std::uint64_t> size{};     ///< of a store: 1, 2, 4 or 8 bytes
};

/// Gathers the keys of an operation.
class OperationReader {
 public:
  void clear() { *this = {}; }
  /// Whether any key so far belonged to an operation.
  bool any() const { return any_; }

  /// Takes the value of `key` if that belongs to operations, and to them alone. Throws InputError.
  bool take(const JsonObjectReader& reader, std::string_view key, const JsonScalar& scalar);
  /// The whole, with the key `gva` if there was one. Throws InputError at `place` for what is
  /// missing, does not belong, or is out of range.
  ProcessorOperation finish(std::optional<std::uint64_t> gva, const std::string& place);

 private:
  bool any_ = false;
  bool named_ = false;  ///< `kind` was said
  ProcessorOperation operation_;
};

}  // namespace eptsim::sim
