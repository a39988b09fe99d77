#pragma once

#include <cstdint>
#include <string_view>

/// Why an operation on an ExtendedPageTable was refused: one enumeration per operation. A refused
/// operation has changed nothing.
namespace eptsim::ept {

enum class CreateError : std::uint8_t {
  kBadSettings,  ///< depth or MAXPHYADDR out of range
  kOutOfMemory,  ///< no frame for the root
};

/// In the order in which `map` checks.
enum class MapError : std::uint8_t {
  kUnaligned,             ///< an address is not a multiple of the page size
  kAddressTooWide,        ///< beyond the guest-physical or the host-physical width
  kBadPermission,         ///< rights that hardware calls a misconfiguration, or no right at all
  kBadMemoryType,         ///< a memory type that EPT entries do not have
  kPageSizeNotSupported,  ///< the processor has no EPT pages of this size
  kDuplicated,            ///< a page of this size is mapped there
  kCoveredByLargePage,    ///< a larger page is mapped there
  kCoversSmallerPages,    ///< smaller pages are mapped there
  kOutOfMemory,           ///< the allocator had too few frames
};

enum class UnmapError : std::uint8_t {
  kUnaligned,
  kAddressTooWide,
  kNotExist,       ///< the leaf, or a table above it, is absent
  kWrongPageSize,  ///< a smaller or a larger page than asked for is mapped there
};

enum class WalkError : std::uint8_t {
  kAddressTooWide,
  kNotExist,  ///< the leaf, or a table above it, is absent
};

enum class ProtectError : std::uint8_t {
  kUnaligned,
  kAddressTooWide,
  kNotExist,
  kWrongPageSize,
  kBadPermission,  ///< rights that hardware calls a misconfiguration, or no right at all
};

enum class RemapError : std::uint8_t {
  kUnaligned,
  kAddressTooWide,
  kNotExist,
  kWrongPageSize,
};

enum class MemoryTypeError : std::uint8_t {
  kUnaligned,
  kAddressTooWide,
  kBadMemoryType,
  kNotExist,
  kWrongPageSize,
};

enum class SplitError : std::uint8_t {
  kAddressTooWide,
  kNotExist,
  kNotALargePage,         ///< a 4 KiB page is mapped there
  kPageSizeNotSupported,  ///< the processor has no EPT pages of the next smaller size
  kOutOfMemory,
};

enum class MergeError : std::uint8_t {
  kUnaligned,
  kAddressTooWide,
  kPageSizeNotSupported,
  kNotExist,             ///< not all 512 pages are mapped
  kWrongPageSize,        ///< not all 512 are pages of the next smaller size
  kNotContiguous,        ///< their host-physical addresses do not make one aligned page
  kDifferentAttributes,  ///< they differ in more than accessed and dirty flags
};

enum class UnmapRangeError : std::uint8_t {
  kUnaligned,  ///< an end of the range is not a multiple of 4 KiB, or of the given page size
  kAddressTooWide,
  kWrongPageSize,  ///< a page size was given, and another is mapped in the range
  kPartlyCovered,  ///< a large page reaches beyond an end of the range: split it first
};

enum class ProtectRangeError : std::uint8_t {
  kUnaligned,  ///< an end of the range is not a multiple of 4 KiB, or of the given page size
  kAddressTooWide,
  kWrongPageSize,  ///< a page size was given, and another is mapped in the range
  kPartlyCovered,  ///< a large page reaches beyond an end of the range: split it first
  kBadPermission,  ///< rights that hardware calls a misconfiguration, or no right at all
};

std::string_view name(CreateError error);
std::string_view name(MapError error);
std::string_view name(UnmapError error);
std::string_view name(WalkError error);
std::string_view name(ProtectError error);
std::string_view name(RemapError error);
std::string_view name(MemoryTypeError error);
std::string_view name(SplitError error);
std::string_view name(MergeError error);
std::string_view name(UnmapRangeError error);
std::string_view name(ProtectRangeError error);

}  // namespace eptsim::ept
