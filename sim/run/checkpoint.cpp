#include "sim/run/checkpoint.hpp"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include "sim/input_error.hpp"
#include "sim/run/checkpoint_state.hpp"
#include "sim/version.hpp"

// A file:  magic | format | version of eptsim | length of the content, 8 bytes | content | checksum
namespace eptsim::sim {
namespace {

constexpr std::string_view kMagic = "eptsim checkpoint\n";
/// To be raised whenever what is written changes.
constexpr std::string_view kFormat = "format 2\n";
constexpr std::size_t kChecksumBytes = sizeof(XXH128_canonical_t);
constexpr std::size_t kLengthBytes = 8;

std::string checksum_of(std::string_view bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  return {reinterpret_cast<const char*>(canonical.digest), kChecksumBytes};
}

std::string length_as_bytes(std::uint64_t length) {
  std::string bytes;
  for (std::size_t i = 0; i < kLengthBytes; ++i) bytes += static_cast<char>(length >> 8 * i & 0xff);
  return bytes;
}

std::string header() {
  return std::string(kMagic) + std::string(kFormat) + std::string(kVersion) + '\n';
}

/// The content of a checkpoint that is whole. Throws InputError.
std::string_view content_of(std::string_view bytes, const std::string& name) {
  if (!bytes.starts_with(kMagic)) {
    throw InputError(name, "isn't a checkpoint of eptsim run");
  }
  const std::string expected = header();
  const std::size_t rest = kLengthBytes + kChecksumBytes;
  if (!bytes.starts_with(expected)) {
    // To the end of the second line after the magic, as far as they are lines.
    std::string_view said = bytes.substr(kMagic.size(), 64);
    said = said.substr(0, said.find('\n', said.find('\n') + 1));
    std::string written(said);
    std::string own = expected.substr(kMagic.size(), expected.size() - kMagic.size() - 1);
    std::ranges::replace(written, '\n', ' ');
    std::ranges::replace(own, '\n', ' ');
    const bool readable =
        std::ranges::all_of(written, [](char letter) { return letter >= ' ' && letter <= '~'; });
    throw InputError(name, readable ? "was written by another version of eptsim (" + written +
                                          "), and this one is " + own
                                    : "is damaged");
  }
  if (bytes.size() < expected.size() + rest) throw InputError(name, "is cut off");
  const std::string_view content =
      bytes.substr(expected.size() + kLengthBytes, bytes.size() - expected.size() - rest);
  if (bytes.substr(expected.size(), kLengthBytes) != length_as_bytes(content.size())) {
    throw InputError(name, "is cut off, or has something after its end");
  }
  const std::string_view all = bytes.substr(0, bytes.size() - kChecksumBytes);
  if (bytes.substr(all.size()) != checksum_of(all)) {
    throw InputError(name, "is damaged: its checksum isn't that of its content");
  }
  return content;
}

std::string name_of(Mode mode) {
  switch (mode) {
    case Mode::kNative: return "native";
    case Mode::kNested: return "nested";
    case Mode::kShadow: break;
  }
  return "shadow";
}

/// What has to be the same where a run goes on, in the order in which a difference is said.
CheckpointHead head_of(const RunSettings& settings, const SimulationState& state) {
  CheckpointHead head{.same = settings.checkpoint.same};
  const auto add = [&](const std::string& name, const std::string& value) {
    head.same.emplace_back(name, value);
  };
  add("--mode", name_of(settings.mode));
  add("--detail", settings.detail == Detail::kFull ? "full" : "translation");
  add("--fetch", settings.fetch ? "on" : "off");
  add("--warmup", std::to_string(settings.warmup));
  add("--checkpoint-every", std::to_string(settings.checkpoint.every));
  add("sampling.period", std::to_string(settings.machine.sampling.period));
  std::string traces;
  for (const CoreTraces& core : state.traces) {
    traces += (traces.empty() ? "" : ", ") + std::to_string(core.size());
  }
  add("traces of cores", traces);
  return head;
}

void require_same(const CheckpointHead& written, const CheckpointHead& own,
                  const std::string& name) {
  const auto value = [](const CheckpointHead& head, const std::string& key) {
    const auto found =
        std::ranges::find(head.same, key, &std::pair<std::string, std::string>::first);
    return found != head.same.end() ? found->second : std::string("none");
  };
  const auto require = [&](const std::string& key) {
    const std::string before = value(written, key);
    const std::string now = value(own, key);
    if (before == now) return;
    throw InputError(name, "was written with " + key + " " + before + ", and this run has " + now);
  };
  for (const auto& [key, said] : written.same) require(key);
  for (const auto& [key, said] : own.same) require(key);
}

}  // namespace

void check_checkpoint(const RunSettings& settings) {
  const CheckpointSettings& checkpoint = settings.checkpoint;
  if (!checkpoint.write && checkpoint.resume.empty() && checkpoint.every == 0) return;
  if (settings.walker != WalkerKind::kModel) {
    throw InputError("--walker",
                     "the Verilated walker can't be written to a checkpoint, expected model");
  }
  if (checkpoint.write && checkpoint.every == 0 && settings.warmup == 0) {
    throw InputError("--checkpoint",
                     "without a warm-up there is no end of it to write one at, expected --warmup "
                     "or --checkpoint-every");
  }
}

std::string checkpoint_of(const RunSettings& settings, const SimulationState& state) {
  const std::string content = bytes_of(head_of(settings, state), state);
  std::string bytes = header() + length_as_bytes(content.size());
  bytes += content;
  bytes += checksum_of(bytes);
  return bytes;
}

void resume(const RunSettings& settings, const SimulationState& state) {
  const std::string& name = settings.checkpoint.resume_name;
  try {
    CheckpointReader reader(content_of(settings.checkpoint.resume, name));
    require_same(reader.head(), head_of(settings, state), name);
    reader.read(state);
  } catch (const NotOfThisBuild&) {
    throw InputError(name, "was written by another build of eptsim " + std::string(kVersion));
  }
}

}  // namespace eptsim::sim
