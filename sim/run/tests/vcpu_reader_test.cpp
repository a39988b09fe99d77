#include "sim/run/vcpu_reader.hpp"

#include <gtest/gtest.h>

#include "sim/run/tests/support.hpp"

namespace eptsim::sim {
namespace {

Record of(std::uint16_t vm, std::uint8_t vcpu, std::uint64_t address, std::uint16_t asid = 0) {
  Record record = read(address);
  record.vm = vm;
  record.vcpu = vcpu;
  record.asid = asid;
  return record;
}

std::vector<Record> all_of(TraceReader& reader) {
  std::vector<Record> all;
  std::vector<Record> some(3);
  while (const std::size_t count = reader.read(some)) {
    all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return all;
}

TEST(VcpusOf, AreThoseOfATraceByTheirFirstRecord) {
  MemoryTrace trace({of(0, 2, 1), of(0, 0, 2), of(0, 2, 3), of(1, 0, 4), of(0, 0, 5)});
  const std::vector<VcpuName> expected = {{0, 2}, {0, 0}, {1, 0}};
  EXPECT_EQ(vcpus_of(trace), expected);
}

TEST(VcpusOf, ADamagedTraceAreThoseBeforeTheDamage) {
  MemoryTrace trace({of(0, 1, 1)}, InputError("trace", "is damaged"));
  EXPECT_EQ(vcpus_of(trace), std::vector<VcpuName>({{0, 1}}));
}

TEST(VcpuReader, GivesTheRecordsOfItsVcpusInOrderUnderTheirNewNames) {
  // More records of another between them than fit into what is asked for at a time.
  std::vector<Record> records = {of(0, 2, 1, 3)};
  for (unsigned i = 0; i < 10; ++i) records.push_back(of(0, 0, 100 + i));
  records.push_back(of(1, 0, 2));
  records.push_back(of(0, 2, 3));
  VcpuReader reader(std::make_unique<MemoryTrace>(records),
                    {{.from = {0, 2}, .to = {7, 1}}, {.from = {1, 0}, .to = {8, 0}}}, 1, 2);
  const std::vector<Record> found = all_of(reader);
  ASSERT_EQ(found.size(), 3u);
  for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(found[i].address, i + 1);
  EXPECT_EQ(found[0].vm, 7u);
  EXPECT_EQ(found[0].vcpu, 1u);
  EXPECT_EQ(found[0].asid, 3u * 2 + 1);
  EXPECT_EQ(found[1].vm, 8u);
  EXPECT_EQ(found[1].asid, 1u);
}

TEST(VcpuReader, RefusesAnAddressSpaceWhoseNumberIsTooLarge) {
  VcpuReader reader(std::make_unique<MemoryTrace>(std::vector<Record>{of(0, 0, 1, 40'000)}),
                    {{.from = {}, .to = {}}}, 0, 2);
  std::vector<Record> some(1);
  EXPECT_THROW(reader.read(some), InputError);
}

}  // namespace
}  // namespace eptsim::sim
