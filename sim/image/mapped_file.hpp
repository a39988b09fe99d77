#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace eptsim::sim {

/// A file mapped into memory, read-only. A sparse file of any size opens at once and costs only the
/// pages touched.
class MappedFile {
 public:
  /// Throws InputError if the file can't be opened, is no regular file, or is empty.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::span<const std::byte> bytes_;
};

}  // namespace eptsim::sim
