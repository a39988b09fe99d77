#include "sim/trace/own_header.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <charconv>
#include <concepts>
#include <cstring>
#include <new>
#include <stdexcept>

#include "sim/input_error.hpp"
#include "sim/trace/byte_stream.hpp"

namespace eptsim::sim::own {
namespace {

constexpr std::string_view kFetchesKey = "fetches";
constexpr std::string_view kDependencesKey = "dependences";
constexpr std::string_view kPagesKey = "pages";

template <std::unsigned_integral Number>
void put(std::vector<std::uint8_t>& out, Number value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    out.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

void put(std::vector<std::uint8_t>& out, std::string_view text) {
  for (const char c : text) out.push_back(static_cast<std::uint8_t>(c));
}

/// "0x1000-0x2000 4096"
bool parse_page_hint(std::string_view text, PageHint& hint) {
  const char* const end = text.data() + text.size();
  const auto number = [&](const char* at, int base, std::uint64_t& value) {
    return std::from_chars(at, end, value, base);
  };
  if (!text.starts_with("0x")) return false;
  auto got = number(text.data() + 2, 16, hint.begin);
  if (got.ec != std::errc() || !std::string_view(got.ptr, end).starts_with("-0x")) return false;
  got = number(got.ptr + 3, 16, hint.end);
  if (got.ec != std::errc() || !std::string_view(got.ptr, end).starts_with(" ")) return false;
  got = number(got.ptr + 1, 10, hint.page_bytes);
  return got.ec == std::errc() && got.ptr == end;
}

bool parse_yes(std::string_view value, const std::string& path, std::string_view key) {
  if (value != "yes" && value != "no")
    throw InputError(
        path, fmt::format("the trace's header says \"{}: {}\", expected yes or no", key, value));
  return value == "yes";
}

XXH3_state_t* state_of(void* hash) { return static_cast<XXH3_state_t*>(hash); }

}  // namespace

std::vector<std::uint8_t> encode_header(const Header& header) {
  std::string text = fmt::format("{}: {}\n{}: {}\n", kFetchesKey, header.fetches ? "yes" : "no",
                                 kDependencesKey, header.dependences ? "yes" : "no");
  for (const auto& hint : header.page_hints)
    text += fmt::format("{}: {:#x}-{:#x} {}\n", kPagesKey, hint.begin, hint.end, hint.page_bytes);
  for (const auto& [key, value] : header.notes) {
    if (key.empty() || key.find_first_of(":\n") != key.npos || value.find('\n') != value.npos ||
        key == kFetchesKey || key == kDependencesKey || key == kPagesKey)
      throw std::invalid_argument("a trace's header can't hold the note \"" + key + '"');
    text += fmt::format("{}: {}\n", key, value);
  }
  if (text.size() > kMaxHeaderText)
    throw std::invalid_argument("a trace's header can't hold notes of more than 1 MiB");
  std::vector<std::uint8_t> out;
  put(out, kFileMagic);
  put(out, kMajorVersion);
  put(out, kMinorVersion);
  put(out, static_cast<std::uint32_t>(text.size()));
  put(out, text);
  put(out, std::uint64_t{XXH3_64bits(out.data(), out.size())});
  return out;
}

std::size_t header_length(std::span<const std::byte> fixed, const std::string& path) {
  if (fixed.size() < kFixedHeaderBytes)
    throw InputError(path, "ends inside the trace's header: the file is truncated");
  if (std::memcmp(fixed.data(), kFileMagic.data(), kFileMagic.size()) != 0)
    throw InputError(path, fmt::format("isn't a trace in eptsim's own format, which begins with {}",
                                       kFileMagic));
  const auto version = load_little<std::uint16_t>(fixed.data() + 8);
  if (version != kMajorVersion)
    throw InputError(path, fmt::format("is written in version {} of the format, expected {}",
                                       version, kMajorVersion));
  const auto text = load_little<std::uint32_t>(fixed.data() + 12);
  if (text > kMaxHeaderText)
    throw InputError(path, fmt::format("the trace's header claims {} bytes of text: the file is "
                                       "damaged",
                                       text));
  return kFixedHeaderBytes + text + kChecksumBytes;
}

Header decode_header(std::span<const std::byte> bytes, const std::string& path) {
  const auto checked = bytes.size() - kChecksumBytes;
  if (load_little<std::uint64_t>(bytes.data() + checked) != XXH3_64bits(bytes.data(), checked))
    throw InputError(path, "the trace's header doesn't match its checksum: the file is damaged");
  std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kFixedHeaderBytes,
                        checked - kFixedHeaderBytes);
  Header header;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto colon = line.find(": ");
    if (colon == line.npos)
      throw InputError(path, fmt::format("the trace's header has the line \"{}\", expected "
                                         "\"key: value\"",
                                         line));
    const auto key = line.substr(0, colon);
    const auto value = line.substr(colon + 2);
    if (key == kFetchesKey) {
      header.fetches = parse_yes(value, path, key);
    } else if (key == kDependencesKey) {
      header.dependences = parse_yes(value, path, key);
    } else if (key == kPagesKey) {
      PageHint hint;
      if (!parse_page_hint(value, hint))
        throw InputError(path, fmt::format("the trace's header says \"{}\", expected \"pages: "
                                           "0xBEGIN-0xEND BYTES\"",
                                           line));
      header.page_hints.push_back(hint);
    } else {
      header.notes.emplace_back(key, value);
    }
  }
  return header;
}

std::vector<std::uint8_t> encode_index(const Index& index, std::uint64_t offset) {
  std::vector<std::uint8_t> out;
  put(out, kIndexMagic);
  put(out, static_cast<std::uint32_t>(index.blocks.size()));
  const auto& counts = index.counts;
  for (const auto count : {counts.reads, counts.writes, counts.modifies, counts.fetches,
                           counts.events, counts.instructions})
    put(out, count);
  put(out, index.hash_low);
  put(out, index.hash_high);
  for (const auto& block : index.blocks) {
    put(out, block.offset);
    put(out, block.first_record);
    put(out, block.records);
    put(out, block.bytes);
  }
  put(out, std::uint64_t{XXH3_64bits(out.data(), out.size())});
  put(out, offset);
  put(out, kEndMagic);
  return out;
}

std::uint64_t index_length(std::span<const std::byte> fixed) {
  return kIndexFixedBytes + kTrailerBytes +
         std::uint64_t{load_little<std::uint32_t>(fixed.data() + 4)} * kIndexEntryBytes;
}

Index decode_index(std::span<const std::byte> bytes, std::uint64_t offset,
                   const std::string& place) {
  const auto fail = [&] {
    throw InputError(place, "the trace's index is damaged",
                     "cut the file there: blocks before it can be read without an index");
  };
  if (std::memcmp(bytes.data(), kIndexMagic.data(), kIndexMagic.size()) != 0) fail();
  const auto checked = bytes.size() - kTrailerBytes - kChecksumBytes;
  const std::byte* at = bytes.data() + checked;
  if (load_little<std::uint64_t>(at) != XXH3_64bits(bytes.data(), checked) ||
      load_little<std::uint64_t>(at + 8) != offset ||
      std::memcmp(at + 16, kEndMagic.data(), kEndMagic.size()) != 0)
    fail();
  at = bytes.data() + kIndexMagic.size();
  const auto take32 = [&] { return at += 4, load_little<std::uint32_t>(at - 4); };
  const auto take64 = [&] { return at += 8, load_little<std::uint64_t>(at - 8); };
  Index index;
  index.blocks.resize(take32());
  for (auto* count : {&index.counts.reads, &index.counts.writes, &index.counts.modifies,
                      &index.counts.fetches, &index.counts.events, &index.counts.instructions})
    *count = take64();
  index.hash_low = take64();
  index.hash_high = take64();
  for (auto& block : index.blocks) {
    block.offset = take64();
    block.first_record = take64();
    block.records = take32();
    block.bytes = take32();
  }
  return index;
}

IndexBuilder::IndexBuilder(std::span<const std::byte> header) : hash_(XXH3_createState()) {
  if (hash_ == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(state_of(hash_));
  XXH3_128bits_update(state_of(hash_), header.data(), header.size());
}

IndexBuilder::~IndexBuilder() { XXH3_freeState(state_of(hash_)); }

void IndexBuilder::add(const IndexEntry& entry, const Counts& counts,
                       std::uint64_t header_checksum) {
  index_.blocks.push_back(entry);
  index_.counts += counts;
  XXH3_128bits_update(state_of(hash_), &header_checksum, sizeof header_checksum);
}

Index IndexBuilder::index() const {
  Index index = index_;
  const auto hash = XXH3_128bits_digest(state_of(hash_));
  index.hash_low = hash.low64;
  index.hash_high = hash.high64;
  return index;
}

}  // namespace eptsim::sim::own
