#include "sim/json/line_reader.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

/// What is asked of the file at a time: stays in a core's own cache.
constexpr std::size_t kPiece = std::size_t{1} << 17;

}  // namespace

LineReader::LineReader(const std::string& path)
    : name_(path == "-" ? "standard input" : path),
      file_(path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)),
      owned_(path != "-"),
      block_(kLongest + 1) {
  if (file_ < 0) throw InputError(name_, fmt::format("can't be opened: {}", std::strerror(errno)));
}

LineReader::~LineReader() {
  if (owned_) ::close(file_);
}

bool LineReader::next() {
  ++number_;
  std::size_t searched = begin_;
  for (;;) {
    const void* newline = std::memchr(block_.data() + searched, '\n', end_ - searched);
    const std::size_t stop =
        newline != nullptr
            ? static_cast<std::size_t>(static_cast<const char*>(newline) - block_.data())
            : end_;
    if (stop - begin_ > kLongest) {
      throw InputError(fmt::format("{}:{}:{}", name_, number_, kLongest + 1),
                       "the line is longer than 1 MiB, expected one object a line");
    }
    if (newline != nullptr || (ended_ && begin_ != end_)) {
      line_ = {block_.data() + begin_, stop - begin_};
      begin_ = newline != nullptr ? stop + 1 : stop;
      return true;
    }
    if (ended_) return false;
    searched = end_ - begin_;  // the block's beginning will be that of the line
    ended_ = !fill();
  }
}

bool LineReader::drained() const {
  return !ended_ && std::memchr(block_.data() + begin_, '\n', end_ - begin_) == nullptr;
}

/// Reads on, behind what is left of the block. False at the end of the file.
bool LineReader::fill() {
  std::memmove(block_.data(), block_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  const std::size_t wanted = std::min(kPiece, kLongest + 1 - end_);
  ssize_t count = 0;
  do {
    count = ::read(file_, block_.data() + end_, wanted);
  } while (count < 0 && errno == EINTR);
  if (count < 0) throw InputError(name_, fmt::format("can't be read: {}", std::strerror(errno)));
  end_ += static_cast<std::size_t>(count);
  return count != 0;
}

}  // namespace eptsim::sim
