#include <cctype>
#include <cstdint>
#include <iostream>
#include <span>
#include <string>
#include <string_view>

#include "ept/arch/access.hpp"
#include "ept/arch/bit_field.hpp"
#include "ept/arch/ept_entry.hpp"
#include "ept/arch/fault.hpp"
#include "ept/arch/guest_entry.hpp"
#include "ept/arch/memory_type.hpp"
#include "ept/arch/registers.hpp"

/// Prints the SystemVerilog package of the architecture's bit layouts from the tables that C++
/// takes its constants from. The output is committed; scripts/check-generated compares.
namespace {

using namespace eptsim::arch;

/// PAT_4K becomes Pat4K, read_modify_write ReadModifyWrite, UC- UcMinus: the names of constants
/// in lowRISC's style.
std::string camel(std::string_view name) {
  std::string result;
  bool start = true;
  for (const char c : name) {
    if (c == '_') {
      start = true;
    } else if (c == '-') {
      result += "Minus";
    } else {
      const auto u = static_cast<unsigned char>(c);
      result += static_cast<char>(start ? std::toupper(u) : std::tolower(u));
      start = std::isdigit(u) != 0;
    }
  }
  return result;
}

void print(std::string_view prefix, std::string_view title, std::span<const FieldFact> fields) {
  std::cout << "\n  // " << title << '\n';
  for (const FieldFact& field : fields) {
    const std::string name = std::string(prefix) + camel(field.name);
    std::cout << "  // " << field.name << ", SDM " << field.section << '\n';
    if (field.bits.high == field.bits.low) {
      std::cout << "  localparam int unsigned " << name << " = " << unsigned{field.bits.low}
                << ";\n";
    } else {
      std::cout << "  localparam int unsigned " << name << "High = " << unsigned{field.bits.high}
                << ";\n  localparam int unsigned " << name << "Low = " << unsigned{field.bits.low}
                << ";\n";
    }
  }
}

void print_code(std::string_view prefix, std::string_view name, unsigned code) {
  std::cout << "  localparam logic [2:0] " << prefix << camel(name) << " = 3'd" << code << ";\n";
}

void print_codes() {
  std::cout << "\n  // Memory types, as in EPT entries and the PAT\n";
  for (unsigned code = 0; code < 8; ++code) {
    if (is_valid_pat_type(code))
      print_code("MemoryType", name(MemoryType{static_cast<std::uint8_t>(code)}), code);
  }
  std::cout << "\n  // Kinds of access\n";
  for (const AccessKind kind :
       {AccessKind::kRead, AccessKind::kWrite, AccessKind::kFetch, AccessKind::kReadModifyWrite,
        AccessKind::kShadowStackRead, AccessKind::kShadowStackWrite}) {
    print_code("Access", name(kind), static_cast<unsigned>(kind));
  }
}

}  // namespace

int main() {
  std::cout << "// Generated from the tables in ept/arch by eptsim-arch-package: do not edit.\n"
               "// scripts/check-generated compares it and names the command that renews it.\n\n"
               "package arch_pkg;\n";
  print("EptEntry", "EPT paging-structure entries", ept_entry::kFields);
  print("Eptp", "EPT pointer", eptp::kFields);
  print("GuestEntry", "Guest paging-structure entries of 64 bits", guest_entry::kFields);
  print("Cr0", "CR0", cr0::kFields);
  print("Cr3", "CR3", cr3::kFields);
  print("Cr4", "CR4", cr4::kFields);
  print("Efer", "IA32_EFER", efer::kFields);
  print("Qualification", "Exit qualification of EPT violations", qualification::kFields);
  print("ErrorCode", "Error code of page faults", error_code::kFields);
  print_codes();
  std::cout << "\nendpackage\n";
  std::cout.flush();
  return std::cout ? 0 : 1;
}
