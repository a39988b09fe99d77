#include "sim/sweep/folder_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sim/input_error.hpp"
#include "sim/temporary_folder.hpp"

namespace eptsim::sim::sweep {

FolderLock::FolderLock(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "lock";
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) throw InputError(path.string(), std::strerror(errno));
  // A record lock, which a forked child doesn't have: with flock() one that outlives its parent by
  // a moment would keep the folder.
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(file_, F_SETLK, &lock) != 0) {
    const int error = errno;
    ::close(file_);
    if (error != EACCES && error != EAGAIN) throw InputError(path.string(), std::strerror(error));
    throw InputError(folder.string(), "another sweep is at work there: " + bytes_of(path),
                     "wait for it, or interrupt it");
  }
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const std::string holder = fmt::format("process {} on {}", ::getpid(), host.data());
  if (::ftruncate(file_, 0) != 0 ||
      ::pwrite(file_, holder.data(), holder.size(), 0) != static_cast<ssize_t>(holder.size())) {
    const int error = errno;
    ::close(file_);
    throw InputError(path.string(), std::strerror(error));
  }
}

FolderLock::~FolderLock() { ::close(file_); }

}  // namespace eptsim::sim::sweep
