# How every target of the project is made: one place for language level, warnings and test registration.
include_guard()
include(EptsimSystemC)

if(EPTSIM_BUILD_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

set(EPTSIM_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
if(EPTSIM_WERROR)
  list(APPEND EPTSIM_WARNINGS -Werror)
endif()

function(eptsim_settings target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE ${EPTSIM_WARNINGS})
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                                              $<INSTALL_INTERFACE:include/eptsim>)
  if(EPTSIM_SANITIZE)
    target_compile_options(${target} PUBLIC -fsanitize=${EPTSIM_SANITIZE} -fno-omit-frame-pointer
                                            -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC -fsanitize=${EPTSIM_SANITIZE})
  endif()
endfunction()

# eptsim_library(ept SOURCES a.cpp b.cpp LINK x y)  makes eptsim_ept, alias eptsim::ept.
function(eptsim_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_library(eptsim_${name} STATIC ${ARG_SOURCES})
  add_library(eptsim::${name} ALIAS eptsim_${name})
  set_target_properties(eptsim_${name} PROPERTIES EXPORT_NAME ${name})
  target_link_libraries(eptsim_${name} PUBLIC ${ARG_LINK})
  eptsim_settings(eptsim_${name})
endfunction()

# eptsim_compile_together(run a.cpp b.cpp)  has a release compile sources of a library as one, where a run spends
# its time in functions of several. (Optimization at link time would do the same; g++ 12 fails on it.)
function(eptsim_compile_together name)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    set_target_properties(eptsim_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
    set_source_files_properties(${ARGN} PROPERTIES UNITY_GROUP together)
  endif()
endfunction()

# eptsim_test(name SOURCES a_test.cpp LINK x [SYSTEMC])  makes the program name and registers each of its
# tests. With SYSTEMC each test runs in its own process with the kernel's main, for there is one kernel a process.
function(eptsim_test name)
  if(NOT EPTSIM_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "SYSTEMC" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  if(ARG_SYSTEMC)
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/cmake/systemc_test_main.cpp)
    target_link_libraries(${name} PRIVATE ${ARG_LINK} eptsim::systemc GTest::gtest GTest::gmock)
  else()
    target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest_main GTest::gmock)
  endif()
  eptsim_settings(${name})
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT 600)
endfunction()
