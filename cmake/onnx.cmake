# The importer of ONNX models, where the distribution has protobuf and ONNX's description of its format (libonnx-dev,
# protobuf-compiler, libprotobuf-dev). Without them the library of networks is built, and says that it reads no files.
find_package(Protobuf QUIET)
find_path(CLCONV_ONNX_PROTO_DIR onnx/onnx.proto)
mark_as_advanced(CLCONV_ONNX_PROTO_DIR)
set(onnx_found OFF)
if(TARGET protobuf::libprotobuf-lite AND TARGET protobuf::protoc AND CLCONV_ONNX_PROTO_DIR)
  set(onnx_found ON)
endif()
option(CLCONV_ONNX "Read ONNX models (needs protobuf and onnx.proto)" ${onnx_found})

if(NOT CLCONV_ONNX)
  message(STATUS "ONNX importer: not built (protobuf-compiler, libprotobuf-dev and libonnx-dev are needed)")
  target_sources(clconv_net_core PRIVATE src/net/onnx/absent.cpp)
  return()
elseif(NOT onnx_found)
  message(FATAL_ERROR "CLCONV_ONNX is ON, but protoc, libprotobuf-lite or onnx/onnx.proto was not found")
endif()
message(STATUS "ONNX importer: ${CLCONV_ONNX_PROTO_DIR}/onnx/onnx.proto, protobuf ${Protobuf_VERSION}")

# Under a name of our own, so that it meets no other copy of ONNX's classes in a program, and in protobuf's lite form,
# which registers nothing: the full one aborts the process where another copy of the file is loaded.
set(onnx_folder ${CMAKE_CURRENT_BINARY_DIR}/onnx)
file(READ ${CLCONV_ONNX_PROTO_DIR}/onnx/onnx.proto onnx_proto)
string(REPLACE "package onnx;" "package clconv.net.onnx_format;" onnx_proto "${onnx_proto}")
file(CONFIGURE OUTPUT ${onnx_folder}/onnx_format.proto CONTENT "${onnx_proto}" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CLCONV_ONNX_PROTO_DIR}/onnx/onnx.proto)
add_custom_command(
  OUTPUT ${onnx_folder}/onnx_format.pb.cc ${onnx_folder}/onnx_format.pb.h
  COMMAND protobuf::protoc --proto_path=${onnx_folder} --cpp_out=lite:${onnx_folder} ${onnx_folder}/onnx_format.proto
  DEPENDS ${onnx_folder}/onnx_format.proto
  COMMENT "Generating the reader of ONNX's format")
# Its code is not ours to warn about.
set_source_files_properties(${onnx_folder}/onnx_format.pb.cc PROPERTIES COMPILE_OPTIONS -w)

file(GLOB onnx_sources CONFIGURE_DEPENDS src/net/onnx/*.cpp)
list(FILTER onnx_sources EXCLUDE REGEX "/absent\\.cpp$")
target_sources(clconv_net_core PRIVATE ${onnx_sources} ${onnx_folder}/onnx_format.pb.cc ${onnx_folder}/onnx_format.pb.h)
target_include_directories(clconv_net_core SYSTEM PUBLIC $<BUILD_INTERFACE:${onnx_folder}>)
target_link_libraries(clconv_net_core PUBLIC protobuf::libprotobuf-lite)
target_link_libraries(clconv_net PRIVATE protobuf::libprotobuf-lite)
