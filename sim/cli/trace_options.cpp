#include "sim/cli/trace_options.hpp"

namespace eptsim::sim {

void TraceOptions::declare(Options& options, const std::string& counted, int level) {
  default_level_ = level;
  options.number("--skip", skip_, "Leave out the first N " + counted);
  options.number("--limit", limit_, "Take N " + counted + ", all by default");
  options.text("--fetch", "on|off", fetch_, "Keep instruction fetches (the default) or drop them");
  options.values("--fetch", {"on", "off"});
  options.number("--level", level_,
                 "Compression, 1 to 19; " + std::to_string(level) + " by default");
  options.texts("--note", "KEY=VALUE", notes_, "Add a line to the header; may be repeated");
}

std::uint64_t TraceOptions::limit() const {
  if (limit_ && *limit_ == 0) {
    throw InputError("--limit 0", "nothing would be taken, expected at least 1");
  }
  return limit_.value_or(0);
}

bool TraceOptions::fetches() const {
  return word_of<bool>("--fetch", fetch_, {{"on", true}, {"off", false}}, true);
}

int TraceOptions::level() const {
  if (!level_) return default_level_;
  if (*level_ < 1 || *level_ > 19) {
    throw InputError("--level " + std::to_string(*level_), "out of range, expected 1 to 19");
  }
  return static_cast<int>(*level_);
}

std::vector<std::pair<std::string, std::string>> TraceOptions::notes() const {
  std::vector<std::pair<std::string, std::string>> notes;
  for (const std::string& note : notes_) {
    const std::size_t equals = note.find('=');
    if (equals == 0 || equals == std::string::npos) {
      throw InputError("--note " + note, "expected KEY=VALUE");
    }
    if (note.find(':') < equals || note.find('\n') != std::string::npos) {
      throw InputError("--note " + note, "expected one line, and no colon in the key");
    }
    notes.emplace_back(note.substr(0, equals), note.substr(equals + 1));
  }
  return notes;
}

}  // namespace eptsim::sim
