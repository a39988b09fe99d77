#include "ept/errors.hpp"

namespace eptsim::ept {

std::string_view name(CreateError error) {
  switch (error) {
    case CreateError::kBadSettings: return "BadSettings";
    case CreateError::kOutOfMemory: return "OutOfMemory";
  }
  return "?";
}

std::string_view name(MapError error) {
  switch (error) {
    case MapError::kUnaligned: return "Unaligned";
    case MapError::kAddressTooWide: return "AddressTooWide";
    case MapError::kBadPermission: return "BadPermission";
    case MapError::kBadMemoryType: return "BadMemoryType";
    case MapError::kPageSizeNotSupported: return "PageSizeNotSupported";
    case MapError::kDuplicated: return "Duplicated";
    case MapError::kCoveredByLargePage: return "CoveredByLargePage";
    case MapError::kCoversSmallerPages: return "CoversSmallerPages";
    case MapError::kOutOfMemory: return "OutOfMemory";
  }
  return "?";
}

std::string_view name(UnmapError error) {
  switch (error) {
    case UnmapError::kUnaligned: return "Unaligned";
    case UnmapError::kAddressTooWide: return "AddressTooWide";
    case UnmapError::kNotExist: return "NotExist";
    case UnmapError::kWrongPageSize: return "WrongPageSize";
  }
  return "?";
}

std::string_view name(WalkError error) {
  switch (error) {
    case WalkError::kAddressTooWide: return "AddressTooWide";
    case WalkError::kNotExist: return "NotExist";
  }
  return "?";
}

std::string_view name(ProtectError error) {
  switch (error) {
    case ProtectError::kUnaligned: return "Unaligned";
    case ProtectError::kAddressTooWide: return "AddressTooWide";
    case ProtectError::kBadPermission: return "BadPermission";
    case ProtectError::kNotExist: return "NotExist";
    case ProtectError::kWrongPageSize: return "WrongPageSize";
  }
  return "?";
}

std::string_view name(RemapError error) {
  switch (error) {
    case RemapError::kUnaligned: return "Unaligned";
    case RemapError::kAddressTooWide: return "AddressTooWide";
    case RemapError::kNotExist: return "NotExist";
    case RemapError::kWrongPageSize: return "WrongPageSize";
  }
  return "?";
}

std::string_view name(MemoryTypeError error) {
  switch (error) {
    case MemoryTypeError::kUnaligned: return "Unaligned";
    case MemoryTypeError::kAddressTooWide: return "AddressTooWide";
    case MemoryTypeError::kBadMemoryType: return "BadMemoryType";
    case MemoryTypeError::kNotExist: return "NotExist";
    case MemoryTypeError::kWrongPageSize: return "WrongPageSize";
  }
  return "?";
}

std::string_view name(SplitError error) {
  switch (error) {
    case SplitError::kAddressTooWide: return "AddressTooWide";
    case SplitError::kNotExist: return "NotExist";
    case SplitError::kNotALargePage: return "NotALargePage";
    case SplitError::kPageSizeNotSupported: return "PageSizeNotSupported";
    case SplitError::kOutOfMemory: return "OutOfMemory";
  }
  return "?";
}

std::string_view name(MergeError error) {
  switch (error) {
    case MergeError::kUnaligned: return "Unaligned";
    case MergeError::kAddressTooWide: return "AddressTooWide";
    case MergeError::kPageSizeNotSupported: return "PageSizeNotSupported";
    case MergeError::kNotExist: return "NotExist";
    case MergeError::kWrongPageSize: return "WrongPageSize";
    case MergeError::kNotContiguous: return "NotContiguous";
    case MergeError::kDifferentAttributes: return "DifferentAttributes";
  }
  return "?";
}

std::string_view name(UnmapRangeError error) {
  switch (error) {
    case UnmapRangeError::kUnaligned: return "Unaligned";
    case UnmapRangeError::kAddressTooWide: return "AddressTooWide";
    case UnmapRangeError::kWrongPageSize: return "WrongPageSize";
    case UnmapRangeError::kPartlyCovered: return "PartlyCovered";
  }
  return "?";
}

std::string_view name(ProtectRangeError error) {
  switch (error) {
    case ProtectRangeError::kUnaligned: return "Unaligned";
    case ProtectRangeError::kAddressTooWide: return "AddressTooWide";
    case ProtectRangeError::kBadPermission: return "BadPermission";
    case ProtectRangeError::kWrongPageSize: return "WrongPageSize";
    case ProtectRangeError::kPartlyCovered: return "PartlyCovered";
  }
  return "?";
}

}  // namespace eptsim::ept
