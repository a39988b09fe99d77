#include "sim/trace/generate/workload.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <stdexcept>

#include "sim/input_error.hpp"
#include "sim/near_miss.hpp"
#include "sim/number.hpp"
#include "sim/trace/generate/workloads.hpp"

namespace eptsim::sim::generate {

std::string Parameter::text(std::uint64_t value) const {
  switch (type) {
    case Type::kWord: return std::string(words.at(value));
    case Type::kBytes: {
      std::string with_unit = bytes_text(value);
      std::erase(with_unit, ' ');
      return with_unit;
    }
    case Type::kNumber: break;
  }
  return std::to_string(value);
}

std::string Parameter::expected() const {
  if (type == Type::kWord) return listed(words);
  return fmt::format("a {} from {} to {}", type == Type::kBytes ? "size" : "whole number",
                     text(minimum), text(maximum));
}

std::string Choice::place() const { return std::string(kPrefix) + std::string(workload_->name); }

Choice::Choice(std::string_view text) {
  const auto name = text.substr(0, text.find(','));
  const auto found = std::ranges::find(workloads(), name, &Workload::name);
  if (found == workloads().end()) {
    std::vector<std::string_view> names;
    for (const auto& workload : workloads()) names.push_back(workload.name);
    throw InputError(std::string(kPrefix) + std::string(name),
                     "unknown workload, expected " + listed(names), did_you_mean(name, names));
  }
  workload_ = &*found;
  for (const auto& parameter : workload_->parameters) values_.push_back(parameter.otherwise);
  std::vector<bool> given(values_.size());
  for (text.remove_prefix(name.size()); !text.empty();) {
    text.remove_prefix(1);
    const auto assignment = text.substr(0, text.find(','));
    set(assignment, given);
    text.remove_prefix(assignment.size());
  }
}

void Choice::set(std::string_view assignment, std::vector<bool>& given) {
  const auto equals = assignment.find('=');
  const auto name = assignment.substr(0, equals);
  if (equals == std::string_view::npos || name.empty())
    throw InputError(place(), fmt::format("\"{}\", expected PARAMETER=VALUE", assignment));
  const auto value = assignment.substr(equals + 1);
  const auto& parameters = workload_->parameters;
  const auto found = std::ranges::find(parameters, name, &Parameter::name);
  if (found == parameters.end()) {
    std::vector<std::string_view> names;
    for (const auto& parameter : parameters) names.push_back(parameter.name);
    throw InputError(place(),
                     fmt::format("unknown parameter \"{}\", expected {}", name, listed(names)),
                     did_you_mean(name, names));
  }
  const auto index = static_cast<std::size_t>(found - parameters.begin());
  if (given[index]) throw InputError(place(), fmt::format("{} is given twice", name));
  given[index] = true;

  const auto refused = [&](std::string hint = {}) {
    return InputError(place(),
                      fmt::format("{} can't be {}, expected {}", name,
                                  value.empty() ? "empty" : value, found->expected()),
                      std::move(hint));
  };
  if (found->type == Parameter::Type::kWord) {
    const auto word = std::ranges::find(found->words, value);
    if (word == found->words.end()) throw refused(did_you_mean(value, found->words));
    values_[index] = static_cast<std::uint64_t>(word - found->words.begin());
    return;
  }
  const auto number =
      found->type == Parameter::Type::kBytes ? parse_bytes(value) : parse_number(value);
  if (!number || *number < found->minimum || *number > found->maximum) throw refused();
  values_[index] = *number;
}

std::uint64_t Choice::operator[](std::string_view name) const {
  const auto found = std::ranges::find(workload_->parameters, name, &Parameter::name);
  if (found == workload_->parameters.end()) throw std::out_of_range(std::string(name));
  return values_[static_cast<std::size_t>(found - workload_->parameters.begin())];
}

void Choice::refuse(std::string_view name, const std::string& problem) const {
  const auto found = std::ranges::find(workload_->parameters, name, &Parameter::name);
  throw InputError(place(), fmt::format("{}={} {}", name, found->text((*this)[name]), problem));
}

std::string Choice::canonical() const {
  std::string text = place();
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const auto& parameter = workload_->parameters[i];
    text += fmt::format(",{}={}", parameter.name, parameter.text(values_[i]));
  }
  return text;
}

std::string Choice::hash() const {
  const auto text = fmt::format("{} version {}", canonical(), workload_->version);
  const auto hash = XXH3_128bits(text.data(), text.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::span<const Workload> workloads() {
  static const std::vector<Workload> all = {gups(),  chase(),     stream(), mix(),
                                            btree(), hash_join(), graph(),  spmv()};
  return all;
}

std::string list_of_workloads() {
  std::string text;
  const auto add = [&](const Parameter& parameter) {
    text += fmt::format("  {:<10}{:<10}{} ({})\n", parameter.name,
                        parameter.text(parameter.otherwise), parameter.help, parameter.expected());
  };
  for (const auto& workload : workloads()) {
    text += fmt::format("{}{}: {}\n", kPrefix, workload.name, workload.help);
    for (const auto& parameter : workload.parameters)
      if (!parameter.common) add(parameter);
  }
  text += "and for each\n";
  for (const auto& parameter : workloads().front().parameters)
    if (parameter.common) add(parameter);
  return text;
}

}  // namespace eptsim::sim::generate
