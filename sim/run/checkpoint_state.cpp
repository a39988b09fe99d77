#include "sim/run/checkpoint_state.hpp"

#include <cereal/archives/portable_binary.hpp>
#include <cereal/types/array.hpp>
#include <cereal/types/common.hpp>
#include <cereal/types/deque.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/vector.hpp>
#include <istream>
#include <limits>
#include <sstream>
#include <streambuf>
#include <type_traits>

#include "sim/run/aggregate.hpp"
#include "sim/run/blocking_core.hpp"
#include "sim/run/window_core.hpp"

namespace eptsim::arch {

template <class Archive, class Space>
std::uint64_t save_minimal(const Archive&, const Address<Space>& address) {
  return address.value();
}
template <class Archive, class Space>
void load_minimal(const Archive&, Address<Space>& address, const std::uint64_t& value) {
  address = Address<Space>(value);
}

}  // namespace eptsim::arch

namespace cereal {

template <class T>
concept IsStdArray = requires { std::tuple_size<T>::value; };

/// Plain structs, which need no member of their own for it.
template <class Archive, class T>
  requires(std::is_aggregate_v<T> && !std::is_union_v<T> && !IsStdArray<T> &&
           !requires(T& value, Archive& archive) { value.serialize(archive); })
void serialize(Archive& archive, T& value) {
  eptsim::sim::aggregate::with_members(value, [&](auto&... members) { archive(members...); });
}

}  // namespace cereal

namespace eptsim::sim {
namespace {

template <class Archive>
void serialize(Archive& archive, const SimulationState& state) {
  // Reading makes tables in memory, which has its bytes only then.
  archive(state.machines, state.hardware, state.group);
  for (const auto& core : state.cores) {
    if (auto* const window = dynamic_cast<WindowCore*>(core.get())) {
      archive(*window);
    } else {
      archive(dynamic_cast<BlockingCore&>(*core));
    }
  }
}

/// A string as a stream, without a copy of it.
class View : public std::streambuf {
 public:
  explicit View(std::string_view text) {
    char* const begin = const_cast<char*>(text.data());  // which nothing writes to
    setg(begin, begin, begin + text.size());
  }
  bool is_at_end() const { return gptr() == egptr(); }
};

}  // namespace

std::string bytes_of(const CheckpointHead& head, const SimulationState& state) {
  std::ostringstream out;
  {
    cereal::PortableBinaryOutputArchive archive(
        out, cereal::PortableBinaryOutputArchive::Options::LittleEndian());
    archive(head);
    serialize(archive, state);
  }
  return std::move(out).str();
}

struct CheckpointReader::Reading {
  explicit Reading(std::string_view bytes) : view(bytes), stream(&view), archive(stream) {}
  View view;
  std::istream stream;
  cereal::PortableBinaryInputArchive archive;
};

CheckpointReader::CheckpointReader(std::string_view bytes) try
    : reading_(std::make_unique<Reading>(bytes)) {
  reading_->archive(head_);
} catch (const cereal::Exception&) {
  throw NotOfThisBuild();
}

CheckpointReader::~CheckpointReader() = default;

void CheckpointReader::read(const SimulationState& state) {
  try {
    serialize(reading_->archive, state);
  } catch (const cereal::Exception&) {
    throw NotOfThisBuild();
  }
  if (!reading_->view.is_at_end()) throw NotOfThisBuild();
}

}  // namespace eptsim::sim
