#include "sim/run/result_bytes.hpp"

#include <cereal/archives/portable_binary.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "sim/run/plain_archive.hpp"
#include "sim/run/result_members.hpp"

namespace eptsim::sim {
namespace {

template <class Archive, class Member>
void exchange(Archive& archive, Member& member) {
  archive(member);
}
template <class Archive>
void exchange(Archive& archive, std::optional<InputError>& error) {
  std::string place;
  std::string problem;
  std::string hint;
  bool is_there = error.has_value();
  if (is_there) {
    place = error->place();
    problem = std::string(error->what()).substr(place.empty() ? 0 : place.size() + 2);
    hint = error->hint();
  }
  archive(is_there, place, problem, hint);
  if (is_there) error.emplace(place, problem, hint);
}

template <class Archive>
void exchange_all(Archive& archive, RunResult& result) {
  with_result_members(result, [&](auto&... members) { (exchange(archive, members), ...); });
}

}  // namespace

std::string bytes_of(RunResult result) {
  std::ostringstream out;
  {
    cereal::PortableBinaryOutputArchive archive(out);
    exchange_all(archive, result);
  }
  return std::move(out).str();
}

RunResult result_of(const std::string& bytes) {
  std::istringstream in(bytes);
  RunResult result;
  try {
    cereal::PortableBinaryInputArchive archive(in);
    exchange_all(archive, result);
  } catch (const cereal::Exception&) {
    throw std::runtime_error("a part of a result is missing");
  }
  if (in.peek() != std::istringstream::traits_type::eof()) {
    throw std::runtime_error("a result is followed by other bytes");
  }
  return result;
}

}  // namespace eptsim::sim
