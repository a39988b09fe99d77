#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mmu_model/walk/outcome.hpp"
#include "mmu_model/walk/translate.hpp"
#include "mmu_model/walker/walker_unit.hpp"
#include "testbench/oracle/oracle.hpp"

/// What two voices say, field by field. Nothing is allocated where they agree.
namespace eptsim::tb {

struct Difference {
  std::string field;
  std::string expected;
  std::string got;

  friend bool operator==(const Difference&, const Difference&) = default;
};

std::string hex(std::uint64_t value);
/// "guest L3" for a guest entry's read, "EPT L2 of guest L3", "EPT L2 of the access"; "HLAT L3" for
/// an entry of the HLAT tables; "SPP L2".
std::string name(mmu::Place place);
std::string_view name(mmu::Reason reason);

/// What is equal costs no more than to compare it: this happens in each cycle.
class Differences {
 public:
  void number(std::string_view field, std::uint64_t expected, std::uint64_t got) {
    if (expected != got) add(field, std::to_string(expected), std::to_string(got));
  }
  void hex(std::string_view field, std::uint64_t expected, std::uint64_t got) {
    if (expected != got) add(field, tb::hex(expected), tb::hex(got));
  }
  void flag(std::string_view field, bool expected, bool got) {
    if (expected != got) add(field, expected ? "yes" : "no", got ? "yes" : "no");
  }
  void word(std::string_view field, std::string_view expected, std::string_view got) {
    if (expected != got) add(field, std::string(expected), std::string(got));
  }
  void place(std::string_view field, mmu::Place expected, mmu::Place got) {
    if (expected != got) add(field, tb::name(expected), tb::name(got));
  }
  /// One that `name_of` gives a name.
  template <class Value, class NameOf>
  void named(std::string_view field, Value expected, Value got, NameOf name_of) {
    if (expected != got) add(field, std::string(name_of(expected)), std::string(name_of(got)));
  }

  bool empty() const { return list_.empty(); }
  std::vector<Difference> take() { return std::move(list_); }

 private:
  void add(std::string_view field, std::string expected, std::string got);

  std::vector<Difference> list_;
};

/// Every field that an outcome of its kind has.
void compare(const mmu::Outcome& expected, const mmu::Outcome& got, Differences& differences);

/// What the architecture defines, which is all that the oracle knows.
void compare(const oracle::Result& expected, const mmu::TranslateResult& got,
             Differences& differences);

/// References and writes, in order.
void compare(const mmu::Recording& expected, const mmu::Recording& got, Differences& differences);
void compare(const oracle::Result& expected, const mmu::Recording& got, Differences& differences);

/// What two walkers drive on a port.
void compare(const mmu::MemoryRequest& expected, const mmu::MemoryRequest& got,
             Differences& differences);
void compare(const mmu::WalkResponse& expected, const mmu::WalkResponse& got,
             Differences& differences);

/// All that two walkers drive in one cycle.
void compare(const mmu::WalkerOutputs& expected, const mmu::WalkerOutputs& got,
             Differences& differences);

}  // namespace eptsim::tb
