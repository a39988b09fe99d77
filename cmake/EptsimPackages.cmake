# Debian packages, by cpack: eptsim, the program, and libeptsim-dev, the libraries.
include_guard()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "eptsim's maintainers <maintainers@eptsim.invalid>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL program development)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_VERSION ${PROJECT_VERSION}-1)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${CPACK_PACKAGE_CONTACT}")

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME eptsim)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS qemu-user)
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
"Nested page walks, TLBs, paging-structure caches and huge pages, under the
traces of real programs. It says what nested walks cost on a machine, and
explains why an address in a memory dump translates as it does.")

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libeptsim-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libexpected-dev, libsystemc-dev")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
"The libraries: extended page tables (map, unmap, walk, check, dump), and the
model of the hardware that walks them, on SystemC's time or without.")

foreach(package eptsim libeptsim-dev)
  set(component program)
  if(package STREQUAL "libeptsim-dev")
    set(component development)
  endif()
  set(folder ${PROJECT_BINARY_DIR}/packaging/${package})
  file(MAKE_DIRECTORY ${folder})
  file(COPY_FILE ${CMAKE_CURRENT_LIST_DIR}/packaging/copyright ${folder}/copyright)
  file(CONFIGURE OUTPUT ${folder}/overrides/${package} @ONLY CONTENT
"# It isn't part of Debian: no bug asks for it.
@package@: initial-upload-closes-no-bugs
")
  file(CONFIGURE OUTPUT ${folder}/changelog.Debian @ONLY CONTENT
"@package@ (@CPACK_DEBIAN_PACKAGE_VERSION@) stable; urgency=medium

  * Version @PROJECT_VERSION@.

 -- @CPACK_PACKAGE_CONTACT@  Mon, 01 Jun 2026 12:00:00 +0000
")
  install(CODE "execute_process(COMMAND gzip -9nkf ${folder}/changelog.Debian COMMAND_ERROR_IS_FATAL ANY)"
    COMPONENT ${component})
  install(FILES ${folder}/copyright ${folder}/changelog.Debian.gz DESTINATION share/doc/${package}
    COMPONENT ${component})
  install(FILES ${folder}/overrides/${package} DESTINATION share/lintian/overrides COMPONENT ${component})
endforeach()
include(CPack)
