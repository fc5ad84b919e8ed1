# Tests of the importer, and of models built by hand, which need none.
clconv_test(net_builder_test unit clconv_net_core)
if(NOT CLCONV_ONNX)
  return()
endif()
clconv_test(net_import_test unit clconv_net_core)
target_compile_definitions(net_import_test PRIVATE
  $<$<BOOL:${BUILD_SHARED_LIBS}>:CLCONV_NET_LIBRARY="$<TARGET_FILE:clconv_net>">)
add_dependencies(net_import_test clconv_net)
clconv_test(net_import_fuzz_test unit clconv_net_core)
