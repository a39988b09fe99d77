#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace eptsim::sim {

/// A scalar found in JSON text, or an array or object with nothing in it.
struct JsonScalar {
  enum class Type : std::uint8_t { kString, kNumber, kBool, kNull, kEmptyArray, kEmptyObject };
  Type type = Type::kNull;
  std::string_view text{};   ///< kString: unescaped. Valid until the next scalar.
  std::string_view token{};  ///< as it stands in the input, quotes included
  bool truth = false;        ///< kBool
};

/// Reads JSON objects whose nesting is of no interest but for its names: each scalar is handed over
/// with its path, `cpu.maxphyaddr`, `pdptes[0]`. Bad JSON, doubled keys, and keys that look like
/// such a path are InputErrors with file, line and column.
class JsonObjectReader {
 public:
  /// `path` is what messages call the input.
  explicit JsonObjectReader(std::string path);
  ~JsonObjectReader();
  JsonObjectReader(const JsonObjectReader&) = delete;
  JsonObjectReader& operator=(const JsonObjectReader&) = delete;

  using Take = std::function<void(std::string_view key, const JsonScalar& scalar)>;

  /// Reads the one object that `text` holds, whose first line has the number `first_line`.
  void read(std::string_view text, std::size_t first_line, const Take& take);

  /// "file:line:column" of the scalar handed over last, and of the key before it.
  std::string place() const;
  std::string key_place() const;

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

/// Text of an input as messages show it: cut if it is long, control characters as `?`.
std::string shown(std::string_view text);

/// `cpu` of `cpu.maxphyaddr`, `pdptes` of `pdptes[0]`.
std::string_view outermost_key(std::string_view path);

/// Throws InputError at the reader's place unless `scalar` is what is asked for.
std::uint64_t number_of(const JsonObjectReader& reader, std::string_view key,
                        const JsonScalar& scalar, std::uint64_t largest = ~std::uint64_t{0});
bool truth_of(const JsonObjectReader& reader, std::string_view key, const JsonScalar& scalar);
std::string_view text_of(const JsonObjectReader& reader, std::string_view key,
                         const JsonScalar& scalar);

}  // namespace eptsim::sim
