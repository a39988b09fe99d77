#include "sim/tests/program.hpp"

#include <sys/wait.h>

#include <cstdlib>
#include <sstream>

namespace eptsim::sim::test {
namespace {

/// As one word of a shell command.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

}  // namespace

Ran run(const std::string& command, const TestFolder& folder) {
  // Its own output goes to files elsewhere, so that the folder shows what the program left.
  const TestFolder elsewhere;
  const std::string out = (elsewhere.path() / "out").string();
  const std::string err = (elsewhere.path() / "err").string();
  const std::string script = "cd " + quoted(folder.path().string()) +
                             " && program=" + quoted(EPTSIM_PROGRAM) +
                             " && eptsim() { \"$program\" \"$@\"; } && { " + command + "\n} >" +
                             quoted(out) + " 2>" + quoted(err);
  const int result = std::system(("exec bash -o pipefail -c " + quoted(script)).c_str());
  Ran ran;
  ran.status = WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
  ran.out = bytes_of(out);
  ran.err = bytes_of(err);
  return ran;
}

std::string small_trace(unsigned pages, unsigned rounds) {
  std::ostringstream text;
  text << std::hex;
  for (unsigned round = 0; round < rounds; ++round) {
    for (unsigned page = 0; page < pages; ++page) {
      text << "I  " << 0x400000 + 16 * (page % 64) << ",4\n";
      text << " L " << 0x7f0000000000 + 0x1000ull * page + 8 * round << ",8\n";
    }
  }
  return text.str();
}

}  // namespace eptsim::sim::test
