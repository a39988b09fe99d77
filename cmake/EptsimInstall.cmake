# What `cmake --install` puts where, and the packages made of it.
#
#   component program       bin/eptsim, lib/eptsim/plugins/eptsim-recorder.so, share/eptsim/traces, manual pages, completion
#   component development   lib/libeptsim_*.a, include/eptsim, find_package(eptsim) and pkg-config for ept and mmu_model
include_guard()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(EPTSIM_INCLUDE_DIR ${CMAKE_INSTALL_INCLUDEDIR}/eptsim)

# Headers are included from the project's root, so they keep their places below include/eptsim.
function(eptsim_install_headers)
  foreach(folder IN LISTS ARGN)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder} DESTINATION ${EPTSIM_INCLUDE_DIR} COMPONENT development
      FILES_MATCHING PATTERN "*.hpp" PATTERN tests EXCLUDE)
  endforeach()
endfunction()

# NAME.pc for LIBRARIES, relative to itself: what is installed may be moved.
function(eptsim_install_pkg_config name description requires flags)
  file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  set(libraries "")
  foreach(library IN LISTS ARGN)
    string(APPEND libraries " -leptsim_${library}")
  endforeach()
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/${name}.pc @ONLY CONTENT
"prefix=\${pcfiledir}/@up@
includedir=\${prefix}/@CMAKE_INSTALL_INCLUDEDIR@/eptsim
libdir=\${prefix}/@CMAKE_INSTALL_LIBDIR@

Name: @name@
Description: @description@
Version: @PROJECT_VERSION@
Requires: @requires@
Cflags: -std=c++20 -I\${includedir}@flags@
Libs: -L\${libdir}@libraries@
")
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
    COMPONENT development)
endfunction()

set(targets eptsim_arch eptsim_ept)
eptsim_install_headers(ept)
eptsim_install_pkg_config(eptsim-ept "Extended page tables: map, unmap, walk, check, dump" "" "" ept)
if(EPTSIM_BUILD_MODEL)
  list(APPEND targets eptsim_walk eptsim_walker_configurations eptsim_mmu eptsim_mmu_modules eptsim_vmx)
  eptsim_install_headers(mmu_model)
  eptsim_install_pkg_config(eptsim-mmu "Model of x86 address translation under VMX, on SystemC's time or without"
    "eptsim-ept systemc" " -DSC_CPLUSPLUS=201703L" mmu_modules vmx mmu walk walker_configurations)
endif()
install(TARGETS ${targets} EXPORT eptsimTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(EXPORT eptsimTargets NAMESPACE eptsim:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/eptsim
  COMPONENT development)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/eptsimConfig.cmake.in ${PROJECT_BINARY_DIR}/eptsimConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/eptsim)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/eptsimConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/eptsimConfig.cmake ${PROJECT_BINARY_DIR}/eptsimConfigVersion.cmake
  ${CMAKE_CURRENT_LIST_DIR}/EptsimSystemC.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/eptsim COMPONENT development)

if(EPTSIM_BUILD_SIM)
  install(TARGETS eptsim RUNTIME COMPONENT program)
  install(TARGETS eptsim_recorder LIBRARY DESTINATION lib/eptsim/plugins COMPONENT program)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/traces/ DESTINATION ${CMAKE_INSTALL_DATADIR}/eptsim/traces COMPONENT program
    FILES_MATCHING PATTERN "*.ept" PATTERN recorder EXCLUDE PATTERN programs EXCLUDE)
endif()

if(EPTSIM_BUILD_SIM)
  # From what the program says of itself, so it has to run: made when it is installed.
  install(CODE "set(EPTSIM_PROGRAM \"$<TARGET_FILE:eptsim>\")
set(EPTSIM_MADE \"${PROJECT_BINARY_DIR}/installed\")
set(EPTSIM_SCRIPTS \"${PROJECT_SOURCE_DIR}/scripts\")" COMPONENT program)
  install(SCRIPT ${CMAKE_CURRENT_LIST_DIR}/describe_program.cmake COMPONENT program)
  install(DIRECTORY ${PROJECT_BINARY_DIR}/installed/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT program)
  foreach(place bash-completion/completions zsh/vendor-completions fish/vendor_completions.d)
    install(DIRECTORY ${PROJECT_BINARY_DIR}/installed/${place} DESTINATION ${CMAKE_INSTALL_DATADIR}/${place}/..
      COMPONENT program)
  endforeach()
endif()

include(EptsimPackages)
