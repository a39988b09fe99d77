#include "sim/trace/byte_source.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "sim/input_error.hpp"
#include "sim/interrupt.hpp"

namespace eptsim::sim {
namespace {

class FileSource final : public ByteSource {
 public:
  FileSource(int descriptor, std::string path, std::uint64_t size)
      : descriptor_(descriptor), path_(std::move(path)), size_(size) {}
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;
  ~FileSource() override {
    if (descriptor_ != STDIN_FILENO) ::close(descriptor_);
  }

  std::size_t read(std::span<std::byte> bytes) override {
    std::size_t done = 0;
    while (done < bytes.size()) {
      if (size_ == 0) wait_for_data();
      const auto got = ::read(descriptor_, bytes.data() + done, bytes.size() - done);
      if (got == 0) break;
      if (got < 0) {
        if (errno == EINTR) continue;
        throw InputError(path_ + ": byte " + std::to_string(offset_ + done),
                         std::string("cannot be read: ") + std::strerror(errno));
      }
      done += static_cast<std::size_t>(got);
    }
    offset_ += done;
    return done;
  }

  std::optional<double> fraction_read() const override {
    if (size_ == 0) return std::nullopt;
    return std::min(1.0, static_cast<double>(offset_) / static_cast<double>(size_));
  }

 private:
  /// Of a pipe, which may stay silent for ever. A signal that comes just before the wait doesn't
  /// break it off: hence a short one, again and again.
  void wait_for_data() const {
    constexpr int kLookAgain = 100;  // milliseconds
    pollfd readable{.fd = descriptor_, .events = POLLIN, .revents = 0};
    int ready = 0;
    do {
      if (Interrupt::asked()) throw Interrupted();
      ready = ::poll(&readable, 1, kLookAgain);
    } while (ready == 0 || (ready < 0 && errno == EINTR));
  }

  int descriptor_;
  std::string path_;
  std::uint64_t size_;  ///< 0 where it isn't known
  std::uint64_t offset_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> open_byte_source(const std::string& path) {
  const bool standard_input = path == "-";
  const int descriptor = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == EINTR) throw Interrupted();  // a pipe without a writer yet
  if (descriptor < 0)
    throw InputError(path, std::string("cannot be opened: ") + std::strerror(errno));
  struct stat status = {};
  if (::fstat(descriptor, &status) != 0) {
    const int error = errno;
    if (!standard_input) ::close(descriptor);
    throw InputError(path, std::string("cannot be read: ") + std::strerror(error));
  }
  if (S_ISDIR(status.st_mode)) {
    if (!standard_input) ::close(descriptor);
    throw InputError(path, "is a directory, expected a file");
  }
  const auto size = S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
  return std::make_unique<FileSource>(descriptor, standard_input ? "standard input" : path, size);
}

}  // namespace eptsim::sim
