# What rtl/configurations.json says, as variables: the walker's configurations stand there once, and both
# the model's table and the parameters of the Verilated libraries come from it.
#
#   EPTSIM_WALKERS                       their names
#   EPTSIM_WALKER_<name>_WALKS           walks in flight
#   EPTSIM_WALKER_<name>_COMBINED_PML4E  entries of the combined structure caches; also _PDPTE and _PDE
#   EPTSIM_WALKER_<name>_EPT_PML4E       the same of the EPT structure caches
#   EPTSIM_WALKER_<name>_NESTED_TLB      entries of the nested TLB
include_guard()

set(file ${CMAKE_CURRENT_LIST_DIR}/../rtl/configurations.json)
set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
file(READ ${file} json)

set(EPTSIM_WALKERS)
string(JSON count LENGTH ${json})
math(EXPR last "${count} - 1")
foreach(index RANGE ${last})
  string(JSON name MEMBER ${json} ${index})
  list(APPEND EPTSIM_WALKERS ${name})
  string(JSON EPTSIM_WALKER_${name}_WALKS GET ${json} ${name} walks)
  string(JSON EPTSIM_WALKER_${name}_NESTED_TLB GET ${json} ${name} nested_tlb)
  foreach(dimension IN ITEMS combined ept)
    foreach(entry IN ITEMS pml4e pdpte pde)
      string(TOUPPER ${dimension}_${entry} variable)
      string(JSON EPTSIM_WALKER_${name}_${variable} GET ${json} ${name} ${dimension} ${entry})
    endforeach()
  endforeach()
endforeach()
