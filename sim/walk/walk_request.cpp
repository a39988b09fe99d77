#include "sim/walk/walk_request.hpp"

#include <fmt/format.h>

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
      place, fmt::format("unknown access '{}', expected one of {}", name, fmt::join(names, ", ")),
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

RequestLineParser::RequestLineParser(std::string path, const mmu::Context& context)
    : path_(path),
      context_(context),
      reader_(std::move(path)),
      take_([this](std::string_view key, const JsonScalar& scalar) { take(key, scalar); }) {}

const WalkRequest& RequestLineParser::parse(std::string_view line, std::size_t number) {
  current_.id.clear();
  current_.request = {};
  has_address_ = false;
  reader_.read(line, number, take_);
  if (!has_address_) {
    throw InputError(fmt::format("{}:{}:1", path_, number), "neither gva nor gpa, expected one");
  }
  if (mmu::check(context_, current_.request)) {
    check_request(context_, current_.request, fmt::format("{}:{}:1", path_, number));
  }
  return current_;
}

void RequestLineParser::take(std::string_view key, const JsonScalar& scalar) {
  mmu::Request& request = current_.request;
  if (key == "gva" || key == "gpa") {
    if (has_address_) throw InputError(reader_.key_place(), "both gva and gpa, expected one");
    has_address_ = true;
    request.linear = key == "gva";
    request.address = number_of(reader_, key, scalar);
  } else if (key == "access") {
    const std::string_view name = text_of(reader_, key, scalar);
    for (const arch::AccessKind kind : kAccesses) {
      if (arch::name(kind) == name) {
        request.access = kind;
        return;
      }
    }
    access_of(name, reader_.place());
  } else if (key == "user") {
    request.user = truth_of(reader_, key, scalar);
  } else if (key == "implicit") {
    request.implicit = truth_of(reader_, key, scalar);
  } else if (key == "size") {
    request.size = static_cast<std::uint8_t>(number_of(reader_, key, scalar, 64));
  } else if (key == "id") {
    if (scalar.type != JsonScalar::Type::kString && scalar.type != JsonScalar::Type::kNumber) {
      throw InputError(reader_.place(),
                       fmt::format("id is {}, expected a number or a string", scalar.token));
    }
    current_.id = scalar.token;
  } else {
    throw InputError(reader_.key_place(), fmt::format("unknown key '{}' in a request", key),
                     did_you_mean(key, kKeys));
  }
}

}  // namespace eptsim::sim
