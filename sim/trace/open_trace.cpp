// Tells formats apart by content.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "sim/input_error.hpp"
#include "sim/near_miss.hpp"
#include "sim/trace/byte_stream.hpp"
#include "sim/trace/champsim.hpp"
#include "sim/trace/din.hpp"
#include "sim/trace/dynamorio.hpp"
#include "sim/trace/generate/workload.hpp"
#include "sim/trace/lackey.hpp"
#include "sim/trace/own_reader.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {
namespace {

constexpr std::string_view kZipMagic = "PK\x03\x04";
constexpr std::size_t kLookAhead = std::size_t{64} * 1024;

/// Contents that people hand over by mistake, and what to do about them.
struct ForeignFormat {
  std::size_t offset;
  std::string_view magic;
  std::string_view name;
  std::string_view hint;
};
constexpr std::array<ForeignFormat, 4> kForeignFormats = {{
    {257, "ustar", "a tar archive", "unpack it and name the trace inside: tar -xf"},
    {0, "BZh", "a bzip2 file", "decompress it first: bunzip2"},
    {0, "7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it and name the trace inside"},
    {0,
     "\x7f"
     "ELF",
     "an ELF file", "to record a program: eptsim trace record -- COMMAND"},
}};

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_text(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u >= 0x20 || c == '\n' || c == '\r' || c == '\t';
  });
}

/// A format of text, told by how it begins. To add one: a reader, and a row below.
struct TextFormat {
  std::string_view name;
  bool (*fits)(std::string_view start);
  std::unique_ptr<TraceReader> (*open)(ByteStream stream, unsigned linear_address_bits);
};

constexpr std::array kTextFormats = {
    TextFormat{LackeyReader::kName, LackeyReader::fits,
               [](ByteStream stream, unsigned bits) -> std::unique_ptr<TraceReader> {
                 return std::make_unique<LackeyReader>(std::move(stream), bits);
               }},
    TextFormat{DinReader::kName, DinReader::fits,
               [](ByteStream stream, unsigned bits) -> std::unique_ptr<TraceReader> {
                 const bool fetches = DinReader::contains_fetch(as_text(stream.peek(kLookAhead)));
                 return std::make_unique<DinReader>(std::move(stream), bits, fetches);
               }},
};

/// What `--format` takes, in the order of the help.
constexpr auto kFormats = [] {
  std::array<std::string_view, 4 + kTextFormats.size()> names = {kOwnFormatName, kChampsim.name,
                                                                 kChampsimCloudsuite.name};
  std::size_t next = 3;
  for (const TextFormat& format : kTextFormats) names.at(next++) = format.name;
  names.at(next) = DynamorioReader::kName;
  return names;
}();

std::string printable(std::string_view text) {
  constexpr std::size_t kMost = 40;
  std::string result(text.substr(0, kMost));
  for (auto& c : result)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '.';
  return result + (text.size() > kMost ? "..." : "");
}

/// Headerless formats are told by their plausibility alone. Where the whole trace is at hand, one
/// of which it is whole records goes before one of which it isn't.
std::string_view tell_champsim(std::span<const std::byte> start, bool whole,
                               const std::string& name) {
  const auto plausible = [&](const ChampsimLayout& layout) {
    return looks_like_champsim(layout, start);
  };
  const auto whole_records = [&](const ChampsimLayout& layout) {
    return whole && start.size() % layout.bytes == 0;
  };
  const bool small = plausible(kChampsim);
  const bool large = plausible(kChampsimCloudsuite);
  if (small && large && whole_records(kChampsim) == whole_records(kChampsimCloudsuite))
    throw InputError(name,
                     fmt::format("could be of format {} or of format {}: it has no header",
                                 kChampsim.name, kChampsimCloudsuite.name),
                     fmt::format("say which with --format {} or --format {}", kChampsim.name,
                                 kChampsimCloudsuite.name));
  if (small && large) return whole_records(kChampsim) ? kChampsim.name : kChampsimCloudsuite.name;
  if (small) return kChampsim.name;
  if (large) return kChampsimCloudsuite.name;
  throw InputError(name, "isn't a trace of a known format",
                   fmt::format("the formats are {}", fmt::join(kFormats, ", ")));
}

std::string_view tell_format(ByteStream& stream) {
  const auto start = stream.peek(kLookAhead);
  const auto text = as_text(start);
  const auto& name = stream.name();
  if (start.empty()) throw InputError(name, "is empty, expected a trace");
  if (text.starts_with(own::kFileMagic)) return kOwnFormatName;
  if (text.starts_with(kZipMagic)) return DynamorioReader::kName;
  for (const auto& foreign : kForeignFormats)
    if (text.size() > foreign.offset && text.substr(foreign.offset).starts_with(foreign.magic))
      throw InputError(
          name,
          fmt::format(
              "is {}{}, expected a trace", foreign.name,
              stream.compression().empty() ? "" : " compressed with " + stream.compression()),
          std::string(foreign.hint));
  if (own::kFileMagic.starts_with(text))
    throw InputError(name, "ends inside the trace's header: the file is truncated");
  if (is_text(text)) {
    for (const TextFormat& format : kTextFormats)
      if (format.fits(text)) return format.name;
    auto rest = text;
    throw InputError(
        name + ":1:1",
        fmt::format("the text \"{}\" isn't a trace, expected lackey's \"I  04001000,3\""
                    " or din's \"2 4001000\"",
                    printable(take_line(rest))));
  }
  return tell_champsim(start, start.size() < kLookAhead, name);
}

}  // namespace

std::span<const std::string_view> trace_formats() { return kFormats; }

std::unique_ptr<TraceReader> open_trace(const std::string& path,
                                        std::optional<std::string_view> format,
                                        unsigned linear_address_bits) {
  if (format && std::find(kFormats.begin(), kFormats.end(), *format) == kFormats.end())
    throw InputError("--format",
                     fmt::format("unknown format \"{}\", expected one of {}", *format,
                                 fmt::join(kFormats, ", ")),
                     did_you_mean(*format, kFormats));
  if (generate::is_generated(path)) {
    if (format)
      throw InputError("--format " + std::string(*format),
                       "a generated trace has no format, expected none");
    const auto choice = generate::chosen(path);
    return choice.workload().open(choice);
  }
  ByteStream stream(path);
  if (stream.peek(1).empty()) throw InputError(stream.name(), "is empty, expected a trace");
  const auto name = format ? *format : tell_format(stream);
  if (name == kOwnFormatName)
    return std::make_unique<OwnTraceReader>(std::move(stream), linear_address_bits);
  if (name == kChampsim.name)
    return std::make_unique<ChampsimReader>(std::move(stream), kChampsim, linear_address_bits);
  if (name == kChampsimCloudsuite.name)
    return std::make_unique<ChampsimReader>(std::move(stream), kChampsimCloudsuite,
                                            linear_address_bits);
  for (const TextFormat& text : kTextFormats)
    if (name == text.name) return text.open(std::move(stream), linear_address_bits);
  auto archive = open_random_access(path, stream);
  return std::make_unique<DynamorioReader>(std::move(archive), stream.name(), linear_address_bits);
}

std::string hash_of_trace(const std::string& path) {
  if (generate::is_generated(path)) return generate::chosen(path).hash();
  struct stat status = {};
  if (path == "-" ||
      (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)))
    return {};
  const auto source = open_byte_source(path);
  XXH3_state_t* const state = XXH3_createState();
  if (state == nullptr) throw std::bad_alloc();
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> owner(state, &XXH3_freeState);
  XXH3_128bits_reset(state);
  std::vector<std::byte> buffer(std::size_t{1} << 18);
  while (const auto got = source->read(buffer)) XXH3_128bits_update(state, buffer.data(), got);
  const auto hash = XXH3_128bits_digest(state);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace eptsim::sim
