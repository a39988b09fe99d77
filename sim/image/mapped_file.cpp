#include "sim/image/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace {

/// Closes the descriptor at the end of the block; the mapping stays.
struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  struct stat status{};
  if (file.number < 0 || ::fstat(file.number, &status) != 0) {
    throw InputError(path, std::strerror(errno));
  }
  if (S_ISDIR(status.st_mode)) throw InputError(path, "is a directory, expected a file");
  if (!S_ISREG(status.st_mode)) {
    throw InputError(path, "is no regular file, expected one that can be mapped");
  }
  if (status.st_size == 0) throw InputError(path, "is empty");
  const auto size = static_cast<std::size_t>(status.st_size);
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_NORESERVE, file.number, 0);
  if (start == MAP_FAILED) throw InputError(path, std::strerror(errno));
  // Walks jump about: what lies around a table is not read ahead.
  ::madvise(start, size, MADV_RANDOM);
  bytes_ = {static_cast<const std::byte*>(start), size};
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace eptsim::sim
