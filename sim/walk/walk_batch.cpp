#include "sim/walk/walk_batch.hpp"

#include <fmt/format.h>

#include <string_view>

#include "sim/input_error.hpp"
#include "sim/json/json_writer.hpp"
#include "sim/json/line_reader.hpp"
#include "sim/output/output_file.hpp"
#include "sim/walk/walk_answer.hpp"
#include "sim/walk/walk_request.hpp"

namespace eptsim::sim {
namespace {

/// Answers are written in pieces of about this size.
constexpr std::size_t kPiece = std::size_t{1} << 16;

void write_out(JsonWriter& out) {
  if (out.size() != 0) write_standard_output(out.view());
  out.clear();
}

/// Hands each line to `answer_line`, which appends the answer to `out`, and writes out what has
/// gathered.
template <class AnswerLine>
void answer_lines(LineReader& lines, AnswerLine&& answer_line) {
  JsonWriter out;
  try {
    while (lines.next()) {
      if (lines.line().find_first_not_of(" \t\r") == std::string_view::npos) continue;
      answer_line(out);
      // Whoever sends requests through a pipe and waits for the answers must not wait forever.
      if (out.size() >= kPiece || lines.drained()) write_out(out);
    }
  } catch (const InputError&) {
    write_out(out);  // a bad line stops the batch after the answers before it
    throw;
  }
  write_out(out);
}

std::string place_of(const LineReader& lines) {
  return fmt::format("{}:{}:1", lines.name(), lines.number());
}

}  // namespace

void answer_batch(const std::string& requests, const mmu::Context& context, MemoryImage& image,
                  WalkEngine& engine) {
  LineReader lines(requests);
  RequestLineParser parser(lines.name(), context);
  WalkAnswer answer;
  answer_lines(lines, [&](JsonWriter& out) {
    const WalkRequest& request = parser.parse(lines.line(), lines.number());
    if (const auto feature = engine.missing(request.request)) {
      throw InputError(place_of(lines), *feature + " is not in the engine chosen");
    }
    engine.answer(request.request, answer);
    image.forget_writes();
    append_json(out, request.id, answer);
  });
}

void answer_cached_batch(const std::string& requests, CachedEngine& engine) {
  LineReader lines(requests);
  RequestLineParser parser(lines.name(), engine.context(), true);
  WalkAnswer answer;
  answer_lines(lines, [&](JsonWriter& out) {
    const WalkRequest& request = parser.parse(lines.line(), lines.number());
    if (request.operation) {
      engine.apply(*request.operation, place_of(lines));
      append_done(out, request.id,
                  request.operation->kind == OperationKind::kStore ? "stored" : "invalidated");
    } else {
      engine.answer(request.request, answer);
      append_json(out, request.id, answer);
    }
  });
}

}  // namespace eptsim::sim
