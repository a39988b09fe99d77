#include "ept/guest_tables.hpp"

namespace eptsim::ept {

std::string_view name(GuestCreateError error) {
  switch (error) {
    case GuestCreateError::kBadSettings: return "BadSettings";
    case GuestCreateError::kOutOfMemory: return "OutOfMemory";
    case GuestCreateError::kNotBacked: return "NotBacked";
  }
  return "?";
}

std::string_view name(GuestMapError error) {
  switch (error) {
    case GuestMapError::kPageSizeNotInMode: return "PageSizeNotInMode";
    case GuestMapError::kUnaligned: return "Unaligned";
    case GuestMapError::kNotCanonical: return "NotCanonical";
    case GuestMapError::kAddressTooWide: return "AddressTooWide";
    case GuestMapError::kBadAttribute: return "BadAttribute";
    case GuestMapError::kDuplicated: return "Duplicated";
    case GuestMapError::kCoveredByLargePage: return "CoveredByLargePage";
    case GuestMapError::kCoversSmallerPages: return "CoversSmallerPages";
    case GuestMapError::kOutOfMemory: return "OutOfMemory";
    case GuestMapError::kNotBacked: return "NotBacked";
  }
  return "?";
}

std::string_view name(GuestUnmapError error) {
  switch (error) {
    case GuestUnmapError::kPageSizeNotInMode: return "PageSizeNotInMode";
    case GuestUnmapError::kUnaligned: return "Unaligned";
    case GuestUnmapError::kNotCanonical: return "NotCanonical";
    case GuestUnmapError::kNotExist: return "NotExist";
    case GuestUnmapError::kWrongPageSize: return "WrongPageSize";
    case GuestUnmapError::kNotBacked: return "NotBacked";
  }
  return "?";
}

std::string_view name(GuestWalkError error) {
  switch (error) {
    case GuestWalkError::kNotCanonical: return "NotCanonical";
    case GuestWalkError::kNotExist: return "NotExist";
    case GuestWalkError::kNotBacked: return "NotBacked";
  }
  return "?";
}

}  // namespace eptsim::ept
