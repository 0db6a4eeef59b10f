# Installs the engine, and uses it as two other projects would: with find_package, and with pkg-config. The second is the
# example of lsm/README.md, taken from there. Variables: tests/lsm/face/CMakeLists.txt.
cmake_minimum_required(VERSION 3.25)

function(run)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "EXPECT;WORKING_DIRECTORY" "COMMAND")
  if(NOT arg_WORKING_DIRECTORY)
    set(arg_WORKING_DIRECTORY ${WORK})
  endif()
  execute_process(COMMAND ${arg_COMMAND} WORKING_DIRECTORY ${arg_WORKING_DIRECTORY} OUTPUT_VARIABLE out
                  ERROR_VARIABLE err RESULT_VARIABLE result)
  if(NOT result EQUAL 0 OR (DEFINED arg_EXPECT AND NOT out STREQUAL arg_EXPECT))
    list(JOIN arg_COMMAND " " line)
    message(FATAL_ERROR "${line}\ngave ${result}\n${out}${err}\nexpected:\n${arg_EXPECT}")
  endif()
  set(output "${out}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
set(prefix ${WORK}/prefix)
run(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --component lsm --prefix ${prefix})

# ---- find_package ----
run(COMMAND ${CMAKE_COMMAND} -S ${SOURCE}/tests/lsm/face/consumer -B ${WORK}/consumer -G ${GENERATOR}
            -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_CXX_FLAGS=${FLAGS})
run(COMMAND ${CMAKE_COMMAND} --build ${WORK}/consumer)
run(COMMAND ${WORK}/consumer/consumer words store words apple store words EXPECT "store 2\nwords 2\n")
run(COMMAND ${WORK}/consumer/consumer words store EXPECT "store 3\nwords 2\n")

# ---- pkg-config, and the example of the README ----
file(READ ${SOURCE}/lsm/README.md page)
string(REGEX MATCH "```cpp\n(.*)\n```\n" found "${page}")
if(NOT found)
  message(FATAL_ERROR "lsm/README.md has no example")
endif()
file(WRITE ${WORK}/example.cc "${CMAKE_MATCH_1}\n")
set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBDIR}/pkgconfig)
run(COMMAND pkg-config --cflags --libs silt-lsm)
separate_arguments(engine UNIX_COMMAND "${output}")
separate_arguments(flags UNIX_COMMAND "${FLAGS}")
run(COMMAND ${CXX} ${flags} -Wall -Wextra -Werror example.cc -o example ${engine})
run(COMMAND ${WORK}/example EXPECT "apple is red\nbanana is yellow\n")

# ---- The engine alone can be configured where there is no FUSE ----
find_program(PKG_CONFIG pkg-config REQUIRED)
file(WRITE ${WORK}/pkg-config-without-fuse "#!/bin/sh
case \"$*\" in *fuse*) exit 1 ;; esac
exec ${PKG_CONFIG} \"$@\"
")
file(CHMOD ${WORK}/pkg-config-without-fuse PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
run(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK}/lsm_only -G ${GENERATOR} -DSILT_LSM_ONLY=ON
            -DCMAKE_CXX_COMPILER=${CXX} -DPKG_CONFIG_EXECUTABLE=${WORK}/pkg-config-without-fuse)
