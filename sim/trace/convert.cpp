#include "sim/trace/convert.hpp"

#include <algorithm>
#include <array>

#include "sim/input_error.hpp"
#include "sim/trace/champsim_writer.hpp"
#include "sim/trace/generate/workload.hpp"
#include "sim/trace/own_reader.hpp"
#include "sim/trace/own_writer.hpp"
#include "sim/trace/reader.hpp"

namespace eptsim::sim {
namespace {

own::Header header_for(const TraceReader& reader, const std::string& input,
                       const ConvertOptions& options) {
  own::Header header;
  if (const auto* own_reader = dynamic_cast<const OwnTraceReader*>(&reader)) {
    header = own_reader->header();
  } else {
    header.fetches = reader.has_fetches();
    const bool generated = generate::is_generated(input);
    header.dependences = generated || reader.format().starts_with("champsim");
    header.notes.emplace_back("source-format", reader.format());
    if (generated) header.notes.emplace_back("workload", generate::chosen(input).canonical());
    if (const auto hash = hash_of_trace(input); !hash.empty())
      header.notes.emplace_back("source-hash", hash);
  }
  header.fetches = header.fetches && options.fetches;
  if (options.skip > 0) header.notes.emplace_back("skipped", std::to_string(options.skip));
  for (const auto& note : options.notes) header.notes.push_back(note);
  return header;
}

/// Hands each record that is wanted to `add`, which says whether that was the last.
template <class Add>
void each_record(TraceReader& reader, const ConvertOptions& options, Add&& add) {
  std::vector<Record> records(4096);
  std::uint64_t to_skip = options.skip;
  std::uint64_t added = 0;
  std::uint32_t uncounted = 0;  // instructions of fetches that were dropped
  while (const auto count = reader.read(records)) {
    if (options.stop != nullptr && *options.stop) throw Interrupted();
    for (auto record : std::span(records).first(count)) {
      if (to_skip > 0) {
        --to_skip;
        continue;
      }
      if (!options.fetches && record.kind == RecordKind::kFetch) {
        uncounted += record.instructions;
        continue;
      }
      record.instructions += std::exchange(uncounted, 0);
      add(record);
      if (++added == options.limit) return;
    }
  }
}

Converted to_champsim(TraceReader& reader, const std::string& output,
                      const ConvertOptions& options) {
  ChampsimWriter writer(output);
  each_record(reader, options, [&](const Record& record) { writer.add(record); });
  writer.finish();
  const ChampsimWriter::Counts& counts = writer.counts();
  return {.accesses = counts.accesses,
          .instructions = counts.instructions,
          .events_left_out = counts.events,
          .dependences_left_out = counts.dependences};
}

}  // namespace

Converted convert_trace(const std::string& input, const std::string& output,
                        const ConvertOptions& options) {
  std::optional<std::string_view> format;
  if (options.format) format = *options.format;
  const auto reader = open_trace(input, format);
  if (options.to == TraceFormat::kChampsim) return to_champsim(*reader, output, options);
  OwnTraceWriter::Options writer_options;
  writer_options.level = options.level;
  OwnTraceWriter writer(output, header_for(*reader, input, options), writer_options);
  each_record(*reader, options, [&](const Record& record) { writer.add(record); });
  const own::Index index = writer.finish();
  return {.accesses = index.counts.accesses(),
          .instructions = index.counts.instructions,
          .events_left_out = 0,
          .dependences_left_out = 0};
}

}  // namespace eptsim::sim
