#pragma once

#include <cereal/types/array.hpp>
#include <cereal/types/common.hpp>
#include <cereal/types/deque.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/vector.hpp>
#include <cstdint>
#include <tuple>
#include <type_traits>

#include "ept/arch/address.hpp"
#include "sim/run/aggregate.hpp"

/// What cereal's archives need in order to write and read the project's plain types.
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
