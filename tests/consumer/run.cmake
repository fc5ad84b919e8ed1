# The project as its users meet it: installed into several layouts, of which programs in C and C++ are built through
# find_package and through pkg-config, and as a part of another project.
# usage: cmake -DBUILD= -DSOURCE= -DWORK= -DGENERATOR= -DCC= -DCXX= -DLIBDIR= -DAR= -DOBJECTS= -P run.cmake
# OBJECTS: a file that sets library_objects and net_objects to those of the two shared libraries; "" where they are
# static.
function(must)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}\nended with ${status}:\n${out}${err}")
  endif()
  set(output "${out}" PARENT_SCOPE)
endfunction()

function(must_have text part)
  string(FIND "${text}" "${part}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "expected '${part}' in:\n${text}")
  endif()
endfunction()

set(compilers -DCMAKE_C_COMPILER=${CC} -DCMAKE_CXX_COMPILER=${CXX})

# Builds and runs the consumers against the package in `libdir`.
function(check_package name libdir run)
  must(${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE} -B ${WORK}/${name} -Dclconv_DIR=${libdir}/cmake/clconv ${compilers})
  must(${CMAKE_COMMAND} --build ${WORK}/${name})
  set(ENV{PKG_CONFIG_PATH} ${libdir}/pkgconfig)
  must(pkg-config --cflags --libs clconv)
  separate_arguments(flags UNIX_COMMAND "${output}")
  must(${CC} ${SOURCE}/consumer.c -o ${WORK}/${name}/pkg_c ${flags})
  must(${CXX} -std=c++17 ${SOURCE}/consumer.cpp -o ${WORK}/${name}/pkg_cpp ${flags})
  # Development files of what a shared library uses inside may be missing.
  must(pkg-config --print-requires-private clconv clconv-net)
  if(NOT output STREQUAL "")
    message(FATAL_ERROR "pkg-config also asks for:\n${output}")
  endif()
  must(pkg-config --cflags --libs clconv-net)
  separate_arguments(flags UNIX_COMMAND "${output}")
  must(${CC} ${SOURCE}/consumer_net.c -o ${WORK}/${name}/pkg_net_c ${flags})
  must(${CXX} -std=c++17 ${SOURCE}/consumer_net.cpp -o ${WORK}/${name}/pkg_net_cpp ${flags})
  if(run)
    set(ENV{LD_LIBRARY_PATH} ${libdir})
    foreach(program consumer_c consumer_cpp pkg_c pkg_cpp consumer_net_c consumer_net_cpp pkg_net_c pkg_net_cpp)
      must(${WORK}/${name}/${program})
      message(STATUS "${name}: ${output}")
    endforeach()
    unset(ENV{LD_LIBRARY_PATH})
  endif()
endfunction()

# The build's files laid out as these options say, without building again. `prefix` is given to --install.
function(install_with name prefix)
  must(${CMAKE_COMMAND} -G ${GENERATOR} -S ${SOURCE}/../.. -B ${WORK}/${name}-build ${compilers} -DCMAKE_BUILD_TYPE=Release
    -DCLCONV_CLI=OFF -DCLCONV_TESTS=OFF -DCLCONV_BENCH=OFF -DCLCONV_EXAMPLES=OFF ${ARGN})
  file(GLOB libraries ${BUILD}/libclconv*.so* ${BUILD}/libclconv*.a)
  file(COPY ${libraries} DESTINATION ${WORK}/${name}-build)
  must(${CMAKE_COMMAND} --install ${WORK}/${name}-build ${prefix})
endfunction()

file(REMOVE_RECURSE ${WORK})
file(REAL_PATH ${SOURCE}/../.. root)

# As it is built, into another prefix than the one configured, which then moves.
must(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/prefix)
must(${WORK}/prefix/bin/clconv --version)
message(STATUS "installed ${output}")
check_package(moved ${WORK}/prefix/${LIBDIR} ON)

# Folders as absolute paths (Nix, RPM), and other names for relative ones. The prefix holds them: CMake takes no folder
# in a source tree that is outside of the prefix, and this one may be in build/.
install_with(absolute "" -DCMAKE_INSTALL_PREFIX=${WORK}/abs -DCMAKE_INSTALL_LIBDIR=${WORK}/abs/out/lib
  -DCMAKE_INSTALL_INCLUDEDIR=${WORK}/abs/dev/inc)
check_package(abs_package ${WORK}/abs/out/lib OFF)
install_with(renamed "--prefix;${WORK}/renamed" -DCMAKE_INSTALL_LIBDIR=lib/deep -DCMAKE_INSTALL_INCLUDEDIR=headers)
check_package(renamed_package ${WORK}/renamed/lib/deep OFF)
set(ENV{DESTDIR} ${WORK}/stage)
install_with(staged "--prefix;/opt/clconv" -DCMAKE_INSTALL_LIBDIR=lib)
unset(ENV{DESTDIR})
file(READ ${WORK}/stage/opt/clconv/lib/pkgconfig/clconv.pc pc)
must_have("${pc}" "libdir=\${pcfiledir}/..\n")
must_have("${pc}" "prefix=\${pcfiledir}/../..\n")

# A static library, of the objects that the build has: C and C++ link to it with what the package says.
if(OBJECTS)
  include(${OBJECTS})
  file(MAKE_DIRECTORY ${WORK}/static-build)
  must(${AR} rcs ${WORK}/static-build/libclconv.a ${library_objects})
  must(${AR} rcs ${WORK}/static-build/libclconv-net.a ${net_objects})
  install_with(static "--prefix;${WORK}/static" -DCMAKE_INSTALL_LIBDIR=lib -DBUILD_SHARED_LIBS=OFF)
  check_package(static_package ${WORK}/static/lib ON)
endif()

# As a part of another project: nothing of it is changed, nothing is installed unless asked for.
file(WRITE ${WORK}/parent/other.c "int other(void) { return 0; }\n")
file(WRITE ${WORK}/parent/CMakeLists.txt "cmake_minimum_required(VERSION 3.25)
project(app LANGUAGES C CXX)
add_subdirectory(${root} clconv)
add_library(other other.c)
add_executable(app ${SOURCE}/consumer.cpp)
target_link_libraries(app PRIVATE clconv::clconv)
get_target_property(type clconv TYPE)
get_target_property(other other TYPE)
message(STATUS \"type \${type}, other \${other}, build type '\${CMAKE_BUILD_TYPE}', standard '\${CMAKE_CXX_STANDARD}'\")
get_property(tests DIRECTORY ${root} PROPERTY TESTS)
message(STATUS \"tests '\${tests}'\")
")
must(${CMAKE_COMMAND} -G ${GENERATOR} -S ${WORK}/parent -B ${WORK}/parent-build ${compilers})
must_have("${output}" "type SHARED_LIBRARY, other STATIC_LIBRARY, build type '', standard ''")
must_have("${output}" "tests ''")
file(READ ${WORK}/parent-build/clconv/cmake_install.cmake script)
if(script MATCHES "DESTINATION")
  message(FATAL_ERROR "a subproject installs:\n${script}")
endif()
must(${CMAKE_COMMAND} -G ${GENERATOR} -S ${WORK}/parent -B ${WORK}/parent-static ${compilers} -DBUILD_SHARED_LIBS=OFF
  -DCLCONV_INSTALL=ON)
must_have("${output}" "type STATIC_LIBRARY")
file(READ ${WORK}/parent-static/clconv/cmake_install.cmake script)
must_have("${script}" "libclconv.a")
