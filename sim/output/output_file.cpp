#include "sim/output/output_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "sim/input_error.hpp"

namespace eptsim::sim {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void refuse(const std::string& place, int error) {
  throw InputError(place, std::string("can't be written: ") + std::strerror(error));
}

void refuse_standard_output(const std::string& path, const std::string& expected) {
  if (path != "-") return;
  throw InputError(path, "this can't be written to standard output, expected " + expected,
                   "./- is one called -");
}

/// 0, or the error that stopped it.
int write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

/// Writes `text` to a file that is opened with `flags`, and closes it: some disks tell only then.
int write_file(const fs::path& path, int flags, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | flags, 0666);
  if (file < 0) return errno;
  int error = write_all(file, text);
  // So that what is renamed after this is whole even if the machine goes down.
  if (error == 0 && (flags & O_CREAT) != 0 && !text.empty() && ::fsync(file) < 0) error = errno;
  const int close_error = ::close(file) < 0 ? errno : 0;
  return error != 0 ? error : close_error;
}

/// Two runs at a time must not share it.
fs::path beside(const fs::path& path) {
  fs::path temporary = path;
  temporary.replace_filename("." + path.filename().string() + "." + std::to_string(::getpid()));
  return temporary;
}

}  // namespace

OutputFile::OutputFile(const std::string& path) : shown_(path) {
  if (path.empty()) throw InputError("", "the name of a file to write is empty");
  refuse_standard_output(path, "a file");
  std::error_code error;
  path_ = fs::weakly_canonical(fs::absolute(path), error);
  // A link to nothing is followed too. Links in a circle are an error.
  while (!error && fs::is_symlink(fs::symlink_status(path_))) {
    path_ = fs::weakly_canonical(path_.parent_path() / fs::read_symlink(path_), error);
  }
  if (error) refuse(shown_, error.value());
  const fs::file_status status = fs::status(path_, error);
  if (fs::is_directory(status)) refuse(shown_, EISDIR);
  if (path.ends_with('/')) refuse(shown_, ENOENT);
  in_place_ = fs::exists(status) && !fs::is_regular_file(status);
  if (in_place_) return;
  const fs::path temporary = beside(path_);
  const int trouble = write_file(temporary, O_CREAT | O_TRUNC, "");
  if (trouble != 0) refuse(shown_, trouble);
  ::unlink(temporary.c_str());
}

void OutputFile::write(std::string_view content) const {
  if (in_place_) {
    std::signal(SIGPIPE, SIG_IGN);
    const int trouble = write_file(path_, 0, content);
    if (trouble != 0) refuse(shown_, trouble);
    return;
  }
  const fs::path temporary = beside(path_);
  int trouble = write_file(temporary, O_CREAT | O_TRUNC, content);
  if (trouble == 0 && ::rename(temporary.c_str(), path_.c_str()) != 0) trouble = errno;
  if (trouble != 0) {
    ::unlink(temporary.c_str());
    refuse(shown_, trouble);
  }
}

OutputFolder::OutputFolder(const std::string& path) : path_(path) {
  if (path.empty()) throw InputError("", "the name of a folder to write is empty");
  refuse_standard_output(path, "a folder");
  std::error_code error;
  fs::path folder = fs::weakly_canonical(fs::absolute(path_), error);
  if (error) refuse(path, error.value());
  if (!folder.has_filename()) folder = folder.parent_path();  // "a/b/" is "a/b"
  for (; !fs::exists(folder, error) && folder.has_relative_path(); folder = folder.parent_path()) {
    made_.push_back(folder);
  }
  fs::create_directories(path_, error);
  if (!error && !fs::is_directory(path_)) error = std::make_error_code(std::errc::not_a_directory);
  if (error) refuse(path, error.value());
  const fs::path temporary = beside(path_ / "eptsim");
  const int trouble = write_file(temporary, O_CREAT | O_TRUNC, "");
  if (trouble != 0) refuse(path, trouble);
  ::unlink(temporary.c_str());
}

OutputFolder::~OutputFolder() {
  if (used_) return;
  // Only folders that are empty go: whatever is in one isn't ours.
  std::error_code ignored;
  for (const fs::path& folder : made_) {
    if (!fs::remove(folder, ignored)) return;
  }
}

void OutputFolder::write(const std::string& name, std::string_view content) {
  OutputFile((path_ / name).string()).write(content);
  used_ = true;
}

void write_standard_output(std::string_view text) {
  std::signal(SIGPIPE, SIG_IGN);
  const int trouble = write_all(STDOUT_FILENO, text);
  if (trouble != 0) refuse("standard output", trouble);
}

}  // namespace eptsim::sim
