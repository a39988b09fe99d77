#include "sim/trace/trace_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "sim/input_error.hpp"

namespace eptsim::sim {

TraceFile::TraceFile(const std::string& path) : path_(path) {
  struct stat status = {};
  if (path == "-") {
    descriptor_ = STDOUT_FILENO;
  } else if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    descriptor_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    working_path_ = path + ".part";
    descriptor_ = ::open(working_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  }
  if (descriptor_ < 0) fail();
}

TraceFile::~TraceFile() {
  if (descriptor_ < 0) return;
  if (descriptor_ != STDOUT_FILENO) ::close(descriptor_);
  if (!working_path_.empty()) ::unlink(working_path_.c_str());
}

void TraceFile::write(std::span<const std::uint8_t> bytes) {
  offset_ += bytes.size();
  while (!bytes.empty()) {
    const auto written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      fail();
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void TraceFile::finish() {
  if (descriptor_ != STDOUT_FILENO && ::close(std::exchange(descriptor_, -1)) != 0) fail();
  descriptor_ = -1;
  if (!working_path_.empty() && std::rename(working_path_.c_str(), path_.c_str()) != 0) fail();
}

void TraceFile::fail() const {
  throw InputError(path_, std::string("cannot be written: ") + std::strerror(errno));
}

}  // namespace eptsim::sim
