#include "sim/walk/walk_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "mmu_model/walk/walk.hpp"
#include "sim/input_error.hpp"
#include "sim/near_miss.hpp"

namespace eptsim::sim {
namespace {

constexpr arch::AccessKind kAccesses[] = {arch::AccessKind::kRead,
                                          arch::AccessKind::kWrite,
                                          arch::AccessKind::kFetch,
                                          arch::AccessKind::kReadModifyWrite,
                                          arch::AccessKind::kShadowStackRead,
                                          arch::AccessKind::kShadowStackWrite};

constexpr std::string_view kKeys[] = {"id", "gva", "gpa", "access", "user", "implicit", "size"};

}  // namespace

arch::AccessKind access_of(std::string_view name, const std::string& place) {
  std::vector<std::string_view> names;
  for (const arch::AccessKind kind : kAccesses) {
    if (arch::name(kind) == name) return kind;
    names.push_back(arch::name(kind));
  }
  throw InputError(
      place,
      fmt::format("unknown access '{}', expected one of {}", shown(name), fmt::join(names, ", ")),
      did_you_mean(name, names));
}

void check_request(const mmu::Context& context, const mmu::Request& request,
                   const std::string& place) {
  if (const auto error = mmu::check(context, request)) {
    const bool refused = error->kind == mmu::ContextError::Kind::kRefused;
    throw InputError(place, refused
                                ? fmt::format("{} {}", error->key, error->text)
                                : fmt::format("{} is not supported by this version", error->text));
  }
}

RequestLineParser::RequestLineParser(std::string path, const mmu::Context& context, bool operations)
    : path_(path),
      context_(context),
      reader_(std::move(path)),
      take_([this](std::string_view key, const JsonScalar& scalar) { take(key, scalar); }),
      operations_(operations) {}

const WalkRequest& RequestLineParser::parse(std::string_view line, std::size_t number) {
  current_.id.clear();
  current_.request = {};
  current_.operation.reset();
  has_address_ = false;
  of_request_ = {};
  operation_.clear();
  reader_.read(line, number, take_);
  if (operation_.any()) {
    finish_operation(fmt::format("{}:{}:1", path_, number));
    return current_;
  }
  if (!has_address_) {
    throw InputError(fmt::format("{}:{}:1", path_, number), "neither gva nor gpa, expected one");
  }
  if (mmu::check(context_, current_.request)) {
    check_request(context_, current_.request, fmt::format("{}:{}:1", path_, number));
  }
  return current_;
}

void RequestLineParser::finish_operation(const std::string& place) {
  if (!of_request_.empty()) {
    throw InputError(place, fmt::format("{} does not belong to an operation", of_request_));
  }
  std::optional<std::uint64_t> gva;
  if (has_address_) gva = current_.request.address;
  current_.operation = operation_.finish(gva, place);
}

void RequestLineParser::take(std::string_view key, const JsonScalar& scalar) {
  mmu::Request& request = current_.request;
  if (key == "gva" || key == "gpa") {
    if (has_address_) throw InputError(reader_.key_place(), "both gva and gpa, expected one");
    has_address_ = true;
    request.linear = key == "gva";
    request.address = number_of(reader_, key, scalar);
    if (!request.linear) of_request_ = "gpa";
  } else if (key == "access") {
    of_request_ = "access";
    const std::string_view name = text_of(reader_, key, scalar);
    for (const arch::AccessKind kind : kAccesses) {
      if (arch::name(kind) == name) {
        request.access = kind;
        return;
      }
    }
    access_of(name, reader_.place());
  } else if (key == "user") {
    of_request_ = "user";
    request.user = truth_of(reader_, key, scalar);
  } else if (key == "implicit") {
    of_request_ = "implicit";
    request.implicit = truth_of(reader_, key, scalar);
  } else if (key == "size") {
    of_request_ = "size";
    request.size = static_cast<std::uint8_t>(number_of(reader_, key, scalar, 64));
  } else if (key == "id") {
    if (scalar.type != JsonScalar::Type::kString && scalar.type != JsonScalar::Type::kNumber) {
      throw InputError(reader_.place(),
                       fmt::format("id is {}, expected a number or a string", shown(scalar.token)));
    }
    current_.id = scalar.token;
  } else if (!operations_ || !operation_.take(reader_, key, scalar)) {
    const std::string_view outer = outermost_key(key);
    if (outer != key && std::ranges::find(kKeys, outer) != std::end(kKeys)) {
      throw InputError(reader_.key_place(),
                       fmt::format("{} is an {}, expected a single value", outer,
                                   key[outer.size()] == '[' ? "array" : "object"));
    }
    if (outer == "invalidate" || outer == "store") {
      throw InputError(reader_.key_place(),
                       operations_ ? fmt::format("unknown key '{}' in an operation", shown(key))
                                   : fmt::format("{} needs --cached: else nothing stays from "
                                                 "request to request",
                                                 outer));
    }
    throw InputError(reader_.key_place(), fmt::format("unknown key '{}' in a request", shown(key)),
                     did_you_mean(key, kKeys));
  }
}

}  // namespace eptsim::sim
