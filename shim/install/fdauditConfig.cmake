# find_package(fdaudit) brings
#
#   FDAUDIT_EXECUTABLE, FDAUDIT_SHIM, FDAUDIT_INCLUDE_DIR
#   fdaudit::header      a target for target_link_libraries: where fdaudit.h is; it links nothing
#   fdaudit_add_test(NAME <name> COMMAND <target or program> [<argument>...]
#                    [GATE_OPTIONS <option>...] [WORKING_DIRECTORY <folder>])
#                        add_test(3) under `fdaudit run --gate`: fails where the program does, and where it does not but
#                        has new findings. GATE_OPTIONS: --baseline FILE, --ignore-before NAME …

get_filename_component(_fdaudit_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(FDAUDIT_EXECUTABLE "${_fdaudit_prefix}/bin/fdaudit")
set(FDAUDIT_SHIM "${_fdaudit_prefix}/lib/fdaudit/libfdaudit.so")
set(FDAUDIT_INCLUDE_DIR "${_fdaudit_prefix}/include")
unset(_fdaudit_prefix)

if(NOT TARGET fdaudit::header)
  add_library(fdaudit::header INTERFACE IMPORTED)
  set_target_properties(fdaudit::header PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${FDAUDIT_INCLUDE_DIR}")
endif()

function(fdaudit_add_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;WORKING_DIRECTORY" "COMMAND;GATE_OPTIONS")
  if(NOT arg_NAME OR NOT arg_COMMAND)
    message(FATAL_ERROR "fdaudit_add_test: NAME and COMMAND are needed")
  endif()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "fdaudit_add_test: what is '${arg_UNPARSED_ARGUMENTS}'?")
  endif()
  list(GET arg_COMMAND 0 program)
  list(REMOVE_AT arg_COMMAND 0)
  if(TARGET "${program}")
    set(program "$<TARGET_FILE:${program}>")
  endif()
  set(place)
  if(arg_WORKING_DIRECTORY)
    set(place WORKING_DIRECTORY "${arg_WORKING_DIRECTORY}")
  endif()
  add_test(NAME "${arg_NAME}" ${place}
           COMMAND "${FDAUDIT_EXECUTABLE}" run --gate ${arg_GATE_OPTIONS} -- "${program}" ${arg_COMMAND})
endfunction()
