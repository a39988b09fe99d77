#include "sim/input_text.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sim/input_error.hpp"

namespace eptsim::sim {

std::string read_text(const std::string& path) {
  const bool standard = path == "-";
  const int file = standard ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw InputError(path, std::strerror(errno));
  std::string text;
  std::array<char, 65536> buffer;
  ssize_t got = 0;
  while ((got = ::read(file, buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  const int trouble = got < 0 ? errno : 0;
  if (!standard) ::close(file);
  if (trouble != 0) throw InputError(input_name(path), std::strerror(trouble));
  return text;
}

}  // namespace eptsim::sim
