#include "sim/walk/context_file.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "sim/input_error.hpp"
#include "sim/input_text.hpp"
#include "sim/json/json_object.hpp"
#include "sim/near_miss.hpp"

namespace eptsim::sim {
namespace {

using mmu::Context;

/// A key of the file and where its value goes.
struct Number {
  std::string_view key;
  std::uint64_t largest;
  void (*put)(Context&, std::uint64_t);
};
struct Truth {
  std::string_view key;
  bool& (*of)(Context&);
};

constexpr std::uint64_t kAny = ~std::uint64_t{0};

constexpr Number kNumbers[] = {
    {"cr0", kAny, [](Context& c, std::uint64_t v) { c.cr0 = v; }},
    {"cr3", kAny, [](Context& c, std::uint64_t v) { c.cr3 = v; }},
    {"cr4", kAny, [](Context& c, std::uint64_t v) { c.cr4 = v; }},
    {"efer", kAny, [](Context& c, std::uint64_t v) { c.efer = v; }},
    {"pkru", 0xffffffff,
     [](Context& c, std::uint64_t v) { c.pkru = static_cast<std::uint32_t>(v); }},
    {"pkrs", 0xffffffff,
     [](Context& c, std::uint64_t v) { c.pkrs = static_cast<std::uint32_t>(v); }},
    {"pat", kAny, [](Context& c, std::uint64_t v) { c.pat = v; }},
    {"vpid", 0xffff, [](Context& c, std::uint64_t v) { c.vpid = static_cast<std::uint16_t>(v); }},
    {"cpu.maxphyaddr", 52,
     [](Context& c, std::uint64_t v) { c.cpu.maxphyaddr = static_cast<unsigned>(v); }},
    {"sppt_pointer", kAny, [](Context& c, std::uint64_t v) { c.sppt_pointer = v; }},
    {"pml_address", kAny, [](Context& c, std::uint64_t v) { c.pml_address = v; }},
    {"pml_index", 0xffff,
     [](Context& c, std::uint64_t v) { c.pml_index = static_cast<std::uint16_t>(v); }},
    {"ve_info_address", kAny, [](Context& c, std::uint64_t v) { c.ve_info_address = v; }},
    {"eptp_index", 0xffff,
     [](Context& c, std::uint64_t v) { c.eptp_index = static_cast<std::uint16_t>(v); }},
    {"hlat_pointer", kAny, [](Context& c, std::uint64_t v) { c.hlat_pointer = v; }},
    {"hlat_prefix_size", 0xffff,
     [](Context& c, std::uint64_t v) { c.hlat_prefix_size = static_cast<std::uint16_t>(v); }},
};

constexpr Truth kTruths[] = {
    {"rflags_ac", [](Context& c) -> bool& { return c.rflags_ac; }},
    {"cpu.execute_only", [](Context& c) -> bool& { return c.cpu.execute_only; }},
    {"cpu.page_1g", [](Context& c) -> bool& { return c.cpu.page_1g; }},
    {"cpu.page_2m", [](Context& c) -> bool& { return c.cpu.page_2m; }},
    {"cpu.guest_page_1g", [](Context& c) -> bool& { return c.cpu.guest_page_1g; }},
    {"cpu.advanced_exit_info", [](Context& c) -> bool& { return c.cpu.advanced_exit_info; }},
    {"cpu.supervisor_shadow_stack",
     [](Context& c) -> bool& { return c.cpu.supervisor_shadow_stack; }},
    {"controls.mode_based_execute",
     [](Context& c) -> bool& { return c.controls.mode_based_execute; }},
    {"controls.sub_page_permission",
     [](Context& c) -> bool& { return c.controls.sub_page_permission; }},
    {"controls.ept_violation_ve", [](Context& c) -> bool& { return c.controls.ept_violation_ve; }},
    {"controls.pml", [](Context& c) -> bool& { return c.controls.pml; }},
    {"controls.paging_write", [](Context& c) -> bool& { return c.controls.paging_write; }},
    {"controls.guest_paging_verification",
     [](Context& c) -> bool& { return c.controls.guest_paging_verification; }},
    {"controls.hlat", [](Context& c) -> bool& { return c.controls.hlat; }},
};

constexpr std::string_view kPdptes[] = {"pdptes[0]", "pdptes[1]", "pdptes[2]", "pdptes[3]"};

std::string did_you_mean_key(std::string_view key) {
  std::vector<std::string_view> known = {"eptp", "pdptes"};
  for (const Number& number : kNumbers) known.push_back(number.key);
  for (const Truth& truth : kTruths) known.push_back(truth.key);
  return did_you_mean(key, known);
}

/// The context as it is being read, with the place of each key for what is refused afterwards.
class ContextBuilder {
 public:
  explicit ContextBuilder(JsonObjectReader& reader) : reader_(reader) {}

  void take(std::string_view key, const JsonScalar& scalar) {
    places_.emplace(std::string(key), reader_.place());
    if (key == "eptp") {
      context_.ept_enabled = scalar.type != JsonScalar::Type::kNull;
      if (context_.ept_enabled) context_.eptp = number_of(reader_, key, scalar);
      return;
    }
    for (std::size_t i = 0; i < std::size(kPdptes); ++i) {
      if (key != kPdptes[i]) continue;
      pdptes_[i] = number_of(reader_, key, scalar);
      pdptes_seen_ = i + 1;
      return;
    }
    for (const Number& number : kNumbers) {
      if (key == number.key)
        return number.put(context_, number_of(reader_, key, scalar, number.largest));
    }
    for (const Truth& truth : kTruths) {
      if (key == truth.key) {
        truth.of(context_) = truth_of(reader_, key, scalar);
        return;
      }
    }
    if (key == "cpu" || key == "controls") {
      if (scalar.type == JsonScalar::Type::kEmptyObject) return;
      throw InputError(reader_.place(),
                       fmt::format("{} is {}, expected an object", key, shown(scalar.token)));
    }
    if (key == "pdptes") {
      throw InputError(reader_.place(), fmt::format("pdptes is {}, expected an array of 4 numbers",
                                                    shown(scalar.token)));
    }
    throw InputError(reader_.key_place(), fmt::format("unknown key '{}' in a context", shown(key)),
                     did_you_mean_key(key));
  }

  Context finish(const std::string& path) {
    if (pdptes_seen_ != 0) {
      if (pdptes_seen_ != pdptes_.size()) {
        throw InputError(places_.at(std::string(kPdptes[0])),
                         fmt::format("pdptes has {} entries, expected 4", pdptes_seen_));
      }
      context_.pdptes = pdptes_;
    }
    if (const auto error = mmu::check(context_)) {
      const bool refused = error->kind == mmu::ContextError::Kind::kRefused;
      throw InputError(place_of(error->key, path),
                       refused ? fmt::format("VM entry refuses {}: {}", error->key, error->text)
                               : fmt::format("{} is not supported by this version", error->text));
    }
    return context_;
  }

 private:
  /// The key may stand under an object ("cpu.maxphyaddr"), or not in the file at all.
  std::string place_of(const std::string& key, const std::string& path) const {
    for (const auto& [name, place] : places_) {
      const std::string_view full = name;
      if (full == key || full.ends_with("." + key) || full.starts_with(key + "[")) return place;
    }
    return path;
  }

  JsonObjectReader& reader_;
  Context context_;
  std::array<std::uint64_t, 4> pdptes_{};
  std::size_t pdptes_seen_ = 0;
  std::map<std::string, std::string> places_;
};

}  // namespace

mmu::Context read_context(const std::string& path) {
  const std::string text = read_text(path);
  const std::string name = input_name(path);
  JsonObjectReader reader(name);
  ContextBuilder builder(reader);
  reader.read(text, 1, [&builder](std::string_view key, const JsonScalar& scalar) {
    builder.take(key, scalar);
  });
  return builder.finish(name);
}

}  // namespace eptsim::sim
