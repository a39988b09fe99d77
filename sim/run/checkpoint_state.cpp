#include "sim/run/checkpoint_state.hpp"

#include <cereal/archives/portable_binary.hpp>
#include <istream>
#include <sstream>
#include <streambuf>

#include "sim/run/blocking_core.hpp"
#include "sim/run/plain_archive.hpp"
#include "sim/run/window_core.hpp"

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
