# Debian packages by CPack: `./dev package`. Names are Debian's for libraries: the SONAME without .so, so that programs
# linked to different minor versions can be installed side by side while the major version is 0.
set(abi ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(CPACK_GENERATOR DEB)
# Empty: the first line of each description is its own (the project's would stand in front of it).
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")
set(CPACK_PACKAGE_VENDOR "clconv")
set(CPACK_PACKAGE_CONTACT "clconv's developers <clconv@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL clconv clconv-net dev program)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_STRIP_FILES ON)
# What the objects need is found by dpkg-shlibdeps; our own libraries are found where they were built.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_CURRENT_BINARY_DIR})
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
# Compressed man pages and copyright files.
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/debian_files.cmake)

# clconv_debian_package(COMPONENT NAME SECTION DEPENDS SUMMARY TEXT)
macro(clconv_debian_package component name section depends summary text)
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section})
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${depends}")
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${summary}\n${text}")
endmacro()
set(same "(= ${PROJECT_VERSION})")
clconv_debian_package(clconv libclconv${abi} libs ""
  "2-D convolution on any OpenCL device"
  "Forward, all gradients, transposed, with a planner that chooses the strategy\nby shape and device.")
clconv_debian_package(clconv-net libclconv-net${abi} libs "libclconv${abi} ${same}"
  "Neural networks on any OpenCL device"
  "Runs ONNX files, or networks built by hand, on top of libclconv.")
clconv_debian_package(dev libclconv-dev libdevel
  "libclconv${abi} ${same}, libclconv-net${abi} ${same}, ocl-icd-opencl-dev | opencl-dev"
  "2-D convolution on any OpenCL device: development files"
  "Headers for C and C++, CMake package and pkg-config files of libclconv and\nlibclconv-net.")
clconv_debian_package(program clconv science "libclconv-net${abi} ${same}, libclconv${abi} ${same}"
  "Plan, run, measure and explain convolutions and networks on OpenCL devices"
  "The program of libclconv. PoCL (pocl-opencl-icd) runs it on CPUs.")
# dpkg's trigger runs ldconfig, instead of CPack's scripts.
set(CPACK_POST_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/debian_scripts.cmake)
foreach(upper CLCONV CLCONV-NET)
  set(CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/libraries/triggers)
endforeach()
set(CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS "pocl-opencl-icd | opencl-icd")
set(CPACK_DEBIAN_DEV_PACKAGE_RECOMMENDS "opencl-clhpp-headers")
set(CPACK_DEBIAN_DEV_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEV_PACKAGE_GENERATE_SHLIBS OFF)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_GENERATE_SHLIBS OFF)
if(CLCONV_PYTHON AND CLCONV_PYTHON_DIR)
  find_package(Python REQUIRED COMPONENTS Interpreter)
  set(python "python3 (>= ${Python_VERSION_MAJOR}.${Python_VERSION_MINOR})")
  if(Python_VERSION VERSION_LESS 3.12)  # no stable ABI: the extension is for this version alone
    math(EXPR next "${Python_VERSION_MINOR} + 1")
    string(APPEND python ", python3 (<< ${Python_VERSION_MAJOR}.${next})")
  endif()
  list(APPEND CPACK_COMPONENTS_ALL python)
  clconv_debian_package(python python3-clconv python
    "${python}, python3-numpy, libclconv${abi} ${same}, libclconv-net${abi} ${same}"
    "2-D convolution and neural networks on any OpenCL device, for Python 3"
    "Functions on arrays of NumPy and PyOpenCL, plans that say why, ONNX files,\nall on top of libclconv.")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS "pocl-opencl-icd | opencl-icd")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS "python3-pyopencl")
  set(scripts ${PROJECT_SOURCE_DIR}/packaging/python3-clconv)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_CONTROL_EXTRA "${scripts}/postinst;${scripts}/prerm")
endif()
include(CPack)
