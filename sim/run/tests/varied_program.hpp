#pragma once

#include <cstdint>
#include <vector>

#include "sim/run/tests/support.hpp"

namespace eptsim::sim {

/// A program with a bit of everything: fetches in a loop, a stack, an array that it goes through
/// and so touches for the first time up to its end, a table of `table` bytes that it reads and
/// writes all over, accesses across lines and pages, now and then a switch, an invalidation, a page
/// that moves.
inline std::vector<Record> varied_program(std::uint64_t table) {
  std::vector<Record> records;
  std::uint64_t state = 12345;
  const auto random = [&state](std::uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  for (unsigned i = 0; i < 20'000; ++i) {
    const std::uint64_t ip = 0x401000 + random(40) * 512;
    const auto add = [&](Record next) {
      next.ip = ip;
      next.asid = i / 7000 % 2 == 1 ? 1 : 0;
      records.push_back(next);
    };
    add(record(RecordKind::kFetch, ip, 4));
    switch (random(8)) {
      case 0: add(write(0x7ffc'0000'0000 - random(9000))); break;
      case 1: add(read(kHeap + 64 * i)); break;
      case 2: add(record(RecordKind::kModify, 0x5555'0000'0000 + random(table))); break;
      case 3: add(record(RecordKind::kRead, 0x5555'0000'0000 + random(table), 64)); break;
      default: break;
    }
    if (i % 3000 == 2999) add(event(RecordKind::kInvlpg, kHeap + 64 * i));
    if (i % 4000 == 3999) add(event(RecordKind::kMovCr3));
    if (i % 5000 == 4999) add(event(RecordKind::kMapChange, kHeap + 64 * i));
  }
  return records;
}

}  // namespace eptsim::sim
