# Installs the build into a folder of its own, then builds and runs the consumer against that, through
# find_package and through pkg-config.
# usage: cmake -DBUILD= -DSOURCE= -DWORK= -DGENERATOR= -DCC= -DCXX= -DLIBDIR= -P run.cmake
function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}\nended with ${status}:\n${out}${err}")
  endif()
  set(output "${out}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
set(prefix ${WORK}/prefix)
must(${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix})
must(${prefix}/bin/clconv --version)
message(STATUS "installed ${output}")

must(${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE} -B ${WORK}/build -DCMAKE_PREFIX_PATH=${prefix}
  -DCMAKE_C_COMPILER=${CC} -DCMAKE_CXX_COMPILER=${CXX})
must(${CMAKE_COMMAND} --build ${WORK}/build)
foreach(program consumer_c consumer_cpp)
  must(${WORK}/build/${program})
  message(STATUS "find_package: ${output}")
endforeach()

set(ENV{PKG_CONFIG_PATH} ${prefix}/${LIBDIR}/pkgconfig)
set(ENV{LD_LIBRARY_PATH} ${prefix}/${LIBDIR})
must(pkg-config --cflags --libs clconv)
separate_arguments(flags UNIX_COMMAND "${output}")
must(${CC} ${SOURCE}/consumer.c -o ${WORK}/pkg_c ${flags})
must(${CXX} -std=c++17 ${SOURCE}/consumer.cpp -o ${WORK}/pkg_cpp ${flags})
foreach(program pkg_c pkg_cpp)
  must(${WORK}/${program})
  message(STATUS "pkg-config: ${output}")
endforeach()
