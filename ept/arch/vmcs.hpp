#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

/// Fields of the virtual-machine control structure (SDM chapter 27, appendix B): those on which
/// address translation, its VM exits and VM entry's checks of them depend.
namespace eptsim::arch::vmcs {

/// How wide a field is: bits 14:13 of its encoding.
enum class Width : std::uint8_t { k16 = 0, k64 = 1, k32 = 2, kNatural = 3 };
/// What a field is for: bits 11:10 of its encoding.
enum class Section : std::uint8_t { kControl = 0, kExitInformation = 1, kGuest = 2, kHost = 3 };

constexpr Width width_of(std::uint32_t encoding) {
  return static_cast<Width>((encoding >> 13) & 3);
}
constexpr Section section_of(std::uint32_t encoding) {
  return static_cast<Section>((encoding >> 10) & 3);
}
/// Bit 0 of an encoding names bits 63:32 of a field of 64 bits.
constexpr bool is_high_half(std::uint32_t encoding) { return (encoding & 1) != 0; }
/// The bits that a field has.
constexpr std::uint64_t mask_of(Width width) {
  switch (width) {
    case Width::k16: return 0xffff;
    case Width::k32: return 0xffff'ffff;
    case Width::k64:
    case Width::kNatural: break;
  }
  return ~std::uint64_t{0};
}

/// One row of the table: name and encoding stand here and nowhere else.
struct FieldFact {
  std::string_view name;  ///< upper case, the manual's name
  std::uint16_t encoding;
  std::string_view manual;  ///< section of the SDM, volume 3
};

inline constexpr FieldFact kFields[] = {
    // 16 bits.
    {"VPID", 0x0000, "27.6.12"},
    {"EPTP_INDEX", 0x0004, "27.6"},
    {"HLAT_PREFIX_SIZE", 0x0006, "27.6"},
    {"PML_INDEX", 0x0812, "27.4.2"},
    // 64 bits.
    {"MSR_BITMAP_ADDRESS", 0x2004, "27.6.9"},
    {"PML_ADDRESS", 0x200e, "27.6"},
    {"VM_FUNCTION_CONTROLS", 0x2018, "27.6.14"},
    {"EPT_POINTER", 0x201a, "27.6.11"},
    {"EPTP_LIST_ADDRESS", 0x2024, "27.6.14"},
    {"VE_INFORMATION_ADDRESS", 0x202a, "27.6"},
    {"SPP_TABLE_POINTER", 0x2030, "27.6"},
    {"TERTIARY_CONTROLS", 0x2034, "27.6.2"},
    {"HLAT_POINTER", 0x2040, "27.6"},
    {"GUEST_PHYSICAL_ADDRESS", 0x2400, "27.9.1"},
    {"GUEST_PAT", 0x2804, "27.4.1"},
    {"GUEST_EFER", 0x2806, "27.4.1"},
    {"GUEST_PDPTE0", 0x280a, "27.4.2"},
    {"GUEST_PDPTE1", 0x280c, "27.4.2"},
    {"GUEST_PDPTE2", 0x280e, "27.4.2"},
    {"GUEST_PDPTE3", 0x2810, "27.4.2"},
    {"GUEST_PKRS", 0x2818, "27.4.1"},
    {"HOST_PAT", 0x2c00, "27.5"},
    {"HOST_EFER", 0x2c02, "27.5"},
    {"HOST_PKRS", 0x2c06, "27.5"},
    // 32 bits.
    {"PIN_CONTROLS", 0x4000, "27.6.1"},
    {"PRIMARY_CONTROLS", 0x4002, "27.6.2"},
    {"EXCEPTION_BITMAP", 0x4004, "27.6.3"},
    {"PAGE_FAULT_MASK", 0x4006, "27.6.3"},
    {"PAGE_FAULT_MATCH", 0x4008, "27.6.3"},
    {"EXIT_CONTROLS", 0x400c, "27.7.1"},
    {"ENTRY_CONTROLS", 0x4012, "27.8.1"},
    {"SECONDARY_CONTROLS", 0x401e, "27.6.2"},
    {"INSTRUCTION_ERROR", 0x4400, "27.9.5"},
    {"EXIT_REASON", 0x4402, "27.9.1"},
    {"EXIT_INTERRUPTION_INFORMATION", 0x4404, "27.9.2"},
    {"EXIT_INTERRUPTION_ERROR_CODE", 0x4406, "27.9.2"},
    {"IDT_VECTORING_INFORMATION", 0x4408, "27.9.3"},
    {"IDT_VECTORING_ERROR_CODE", 0x440a, "27.9.3"},
    {"EXIT_INSTRUCTION_LENGTH", 0x440c, "27.9.4"},
    {"GUEST_CS_ACCESS_RIGHTS", 0x4816, "27.4.1"},
    {"GUEST_SS_ACCESS_RIGHTS", 0x4818, "27.4.1"},
    {"GUEST_INTERRUPTIBILITY", 0x4824, "27.4.2"},
    // Natural width.
    {"CR0_MASK", 0x6000, "27.6.6"},
    {"CR4_MASK", 0x6002, "27.6.6"},
    {"CR0_READ_SHADOW", 0x6004, "27.6.6"},
    {"CR4_READ_SHADOW", 0x6006, "27.6.6"},
    {"EXIT_QUALIFICATION", 0x6400, "27.9.1"},
    {"GUEST_LINEAR_ADDRESS", 0x640a, "27.9.1"},
    {"GUEST_CR0", 0x6800, "27.4.1"},
    {"GUEST_CR3", 0x6802, "27.4.1"},
    {"GUEST_CR4", 0x6804, "27.4.1"},
    {"GUEST_RIP", 0x681e, "27.4.1"},
    {"GUEST_RFLAGS", 0x6820, "27.4.1"},
    {"HOST_CR0", 0x6c00, "27.5"},
    {"HOST_CR3", 0x6c02, "27.5"},
    {"HOST_CR4", 0x6c04, "27.5"},
};
inline constexpr std::size_t kFieldCount = sizeof(kFields) / sizeof(kFields[0]);

/// A field that is in the table: its row.
struct Field {
  std::uint16_t row;

  constexpr const FieldFact& fact() const { return kFields[row]; }
  constexpr std::string_view name() const { return fact().name; }
  constexpr std::uint16_t encoding() const { return fact().encoding; }
  constexpr Width width() const { return width_of(fact().encoding); }
  constexpr Section section() const { return section_of(fact().encoding); }

  friend constexpr bool operator==(Field, Field) = default;
};

/// The field that `encoding` names, whole or by its high half; nothing if the table has none.
constexpr std::optional<Field> find(std::uint64_t encoding) {
  for (std::uint16_t row = 0; row < kFieldCount; ++row) {
    const std::uint16_t whole = kFields[row].encoding;
    if (encoding == whole || (width_of(whole) == Width::k64 && encoding == whole + 1u)) {
      return Field{row};
    }
  }
  return std::nullopt;
}

/// The field called `name`; a name that is not in the table does not compile.
consteval Field field_of(std::string_view name) {
  for (std::uint16_t row = 0; row < kFieldCount; ++row) {
    if (kFields[row].name == name) return Field{row};
  }
  throw "no field of that name in the table";
}

inline constexpr Field kVpid = field_of("VPID");
inline constexpr Field kEptpIndex = field_of("EPTP_INDEX");
inline constexpr Field kHlatPrefixSize = field_of("HLAT_PREFIX_SIZE");
inline constexpr Field kPmlIndex = field_of("PML_INDEX");
inline constexpr Field kMsrBitmapAddress = field_of("MSR_BITMAP_ADDRESS");
inline constexpr Field kPmlAddress = field_of("PML_ADDRESS");
inline constexpr Field kVmFunctionControls = field_of("VM_FUNCTION_CONTROLS");
inline constexpr Field kEptPointer = field_of("EPT_POINTER");
inline constexpr Field kEptpListAddress = field_of("EPTP_LIST_ADDRESS");
inline constexpr Field kVeInformationAddress = field_of("VE_INFORMATION_ADDRESS");
inline constexpr Field kSppTablePointer = field_of("SPP_TABLE_POINTER");
inline constexpr Field kTertiaryControls = field_of("TERTIARY_CONTROLS");
inline constexpr Field kHlatPointer = field_of("HLAT_POINTER");
inline constexpr Field kGuestPhysicalAddress = field_of("GUEST_PHYSICAL_ADDRESS");
inline constexpr Field kGuestPat = field_of("GUEST_PAT");
inline constexpr Field kGuestEfer = field_of("GUEST_EFER");
inline constexpr Field kGuestPdpte[] = {field_of("GUEST_PDPTE0"), field_of("GUEST_PDPTE1"),
                                        field_of("GUEST_PDPTE2"), field_of("GUEST_PDPTE3")};
inline constexpr Field kGuestPkrs = field_of("GUEST_PKRS");
inline constexpr Field kHostPat = field_of("HOST_PAT");
inline constexpr Field kHostEfer = field_of("HOST_EFER");
inline constexpr Field kHostPkrs = field_of("HOST_PKRS");
inline constexpr Field kPinControls = field_of("PIN_CONTROLS");
inline constexpr Field kPrimaryControls = field_of("PRIMARY_CONTROLS");
inline constexpr Field kExceptionBitmap = field_of("EXCEPTION_BITMAP");
inline constexpr Field kPageFaultMask = field_of("PAGE_FAULT_MASK");
inline constexpr Field kPageFaultMatch = field_of("PAGE_FAULT_MATCH");
inline constexpr Field kExitControls = field_of("EXIT_CONTROLS");
inline constexpr Field kEntryControls = field_of("ENTRY_CONTROLS");
inline constexpr Field kSecondaryControls = field_of("SECONDARY_CONTROLS");
inline constexpr Field kInstructionError = field_of("INSTRUCTION_ERROR");
inline constexpr Field kExitReason = field_of("EXIT_REASON");
inline constexpr Field kExitInterruptionInformation = field_of("EXIT_INTERRUPTION_INFORMATION");
inline constexpr Field kExitInterruptionErrorCode = field_of("EXIT_INTERRUPTION_ERROR_CODE");
inline constexpr Field kIdtVectoringInformation = field_of("IDT_VECTORING_INFORMATION");
inline constexpr Field kIdtVectoringErrorCode = field_of("IDT_VECTORING_ERROR_CODE");
inline constexpr Field kExitInstructionLength = field_of("EXIT_INSTRUCTION_LENGTH");
inline constexpr Field kGuestCsAccessRights = field_of("GUEST_CS_ACCESS_RIGHTS");
inline constexpr Field kGuestSsAccessRights = field_of("GUEST_SS_ACCESS_RIGHTS");
inline constexpr Field kGuestInterruptibility = field_of("GUEST_INTERRUPTIBILITY");
inline constexpr Field kCr0Mask = field_of("CR0_MASK");
inline constexpr Field kCr4Mask = field_of("CR4_MASK");
inline constexpr Field kCr0ReadShadow = field_of("CR0_READ_SHADOW");
inline constexpr Field kCr4ReadShadow = field_of("CR4_READ_SHADOW");
inline constexpr Field kExitQualification = field_of("EXIT_QUALIFICATION");
inline constexpr Field kGuestLinearAddress = field_of("GUEST_LINEAR_ADDRESS");
inline constexpr Field kGuestCr0 = field_of("GUEST_CR0");
inline constexpr Field kGuestCr3 = field_of("GUEST_CR3");
inline constexpr Field kGuestCr4 = field_of("GUEST_CR4");
inline constexpr Field kGuestRip = field_of("GUEST_RIP");
inline constexpr Field kGuestRflags = field_of("GUEST_RFLAGS");
inline constexpr Field kHostCr0 = field_of("HOST_CR0");
inline constexpr Field kHostCr3 = field_of("HOST_CR3");
inline constexpr Field kHostCr4 = field_of("HOST_CR4");

}  // namespace eptsim::arch::vmcs
