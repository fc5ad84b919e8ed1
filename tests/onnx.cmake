# Tests of the importer, and of models built by hand, which need none.
clconv_net_test(net_builder_test unit)
if(NOT CLCONV_ONNX)
  return()
endif()
clconv_net_test(net_import_test unit)
target_compile_definitions(net_import_test PRIVATE
  $<$<BOOL:${BUILD_SHARED_LIBS}>:CLCONV_NET_LIBRARY="$<TARGET_FILE:clconv_net>">)
add_dependencies(net_import_test clconv_net)
clconv_net_test(net_import_fuzz_test unit)

# ONNX's own tests, as an application runs them: the shared library, and the format to read them with.
find_path(CLCONV_ONNX_TESTDATA node/test_relu/model.onnx PATHS /usr/share/libonnx-testdata/data)
mark_as_advanced(CLCONV_ONNX_TESTDATA)
set(onnx_format_source ${PROJECT_BINARY_DIR}/onnx/onnx_format.pb.cc)
set_source_files_properties(${onnx_format_source} PROPERTIES COMPILE_OPTIONS -w)
add_executable(net_nodes_test net_nodes_test.cpp ${onnx_format_source})
target_include_directories(net_nodes_test PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
target_include_directories(net_nodes_test SYSTEM PRIVATE ${PROJECT_BINARY_DIR}/onnx)
target_link_libraries(net_nodes_test PRIVATE clconv_net clconv clconv_test_main protobuf::libprotobuf-lite
  OpenCL::HeadersCpp Threads::Threads clconv_warnings)
if(CLCONV_ONNX_TESTDATA)
  target_compile_definitions(net_nodes_test PRIVATE CLCONV_ONNX_TESTDATA="${CLCONV_ONNX_TESTDATA}")
endif()
doctest_discover_tests(net_nodes_test TEST_PREFIX "net_nodes_test: " PROPERTIES LABELS device)
