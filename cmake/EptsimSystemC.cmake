# SystemC from Debian was compiled as C++17; its header lets a C++20 program say so and still checks the rest
# of the ABI. There is no CMake package, so the pkg-config one is wrapped, as eptsim::systemc.
include_guard()

function(eptsim_find_systemc)
  if(TARGET eptsim::systemc)
    return()
  endif()
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(SYSTEMC REQUIRED IMPORTED_TARGET GLOBAL systemc)
  add_library(eptsim::systemc INTERFACE IMPORTED GLOBAL)
  target_link_libraries(eptsim::systemc INTERFACE PkgConfig::SYSTEMC)
  target_compile_definitions(eptsim::systemc INTERFACE SC_CPLUSPLUS=201703L)
endfunction()
