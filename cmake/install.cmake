# What `cmake --install` puts where: library, program, headers, and what find_package and pkg-config read. All of it is
# found from where it lies, so that the prefix may be another at install time, or move; folders that are given as
# absolute paths (Nix, RPM) stay where they are. Components are what packages of a distribution hold: each library,
# `dev`, `program` and `python` (cmake/packages.cmake).
include(CMakePackageConfigHelpers)

set(clconv_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/clconv)
# Networks are a component, `net`: who does not ask for them needs nothing of what they need.
foreach(library clconv clconv_net)
  string(REPLACE "_" "-" name ${library})
  install(TARGETS ${library} EXPORT ${name}-targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT ${name} NAMELINK_COMPONENT dev
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
  install(EXPORT ${name}-targets NAMESPACE clconv:: DESTINATION ${clconv_package_dir} COMPONENT dev)
endforeach()
install(DIRECTORY include/clconv DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev)
configure_package_config_file(cmake/clconv-config.cmake.in clconv-config.cmake INSTALL_DESTINATION ${clconv_package_dir})
write_basic_package_version_file(clconv-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/clconv-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/clconv-config-version.cmake
  DESTINATION ${clconv_package_dir} COMPONENT dev)

# The path from one folder to another, both as CMAKE_INSTALL_* name them: relative where both move with the prefix, else
# absolute. `result` gets a path to be put behind `from_here`.
function(clconv_path_between from to from_here result)
  if(IS_ABSOLUTE "${to}")
    set(${result} "${to}" PARENT_SCOPE)
  elseif(IS_ABSOLUTE "${from}")
    string(REGEX REPLACE "/\\.$" "" path "${CMAKE_INSTALL_PREFIX}/${to}")
    set(${result} "${path}" PARENT_SCOPE)
  else()
    file(RELATIVE_PATH path "/prefix/${from}" "/prefix/${to}")
    string(REGEX REPLACE "/+$" "" path "${from_here}/${path}")
    set(${result} "${path}" PARENT_SCOPE)
  endif()
endfunction()

if(CLCONV_CLI)
  install(TARGETS clconv_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  set(CLCONV_GUIDE "${CMAKE_INSTALL_FULL_DOCDIR}/guide.md")
  configure_file(packaging/clconv.1.in clconv.1 @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/clconv.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
  install(FILES packaging/clconv.bash-completion DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
    RENAME clconv COMPONENT program)
  install(FILES docs/guide.md docs/networks.md docs/planner.md docs/strategies.md DESTINATION ${CMAKE_INSTALL_DOCDIR}
    COMPONENT program)
  clconv_path_between("${CMAKE_INSTALL_BINDIR}" "${CMAKE_INSTALL_LIBDIR}" "$ORIGIN" rpath)
  set_target_properties(clconv_cli PROPERTIES INSTALL_RPATH "${rpath}")
endif()

# The Python package, where a distribution's interpreter finds it. pip installs it otherwise (pyproject.toml).
set(CLCONV_PYTHON_DIR "" CACHE STRING "Folder below the prefix for the Python package; empty: it is not installed")
if(CLCONV_PYTHON AND CLCONV_PYTHON_DIR)
  install(TARGETS clconv_python LIBRARY DESTINATION ${CLCONV_PYTHON_DIR}/clconv COMPONENT python)
  install(DIRECTORY python/clconv DESTINATION ${CLCONV_PYTHON_DIR} COMPONENT python
    FILES_MATCHING PATTERN "*.py" PATTERN "*.pyi" PATTERN "py.typed" PATTERN "__pycache__" EXCLUDE)
  clconv_path_between("${CLCONV_PYTHON_DIR}/clconv" "${CMAKE_INSTALL_LIBDIR}" "$ORIGIN" rpath)
  set_target_properties(clconv_python PROPERTIES INSTALL_RPATH "${rpath}")
endif()

set(clconv_pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
clconv_path_between("${clconv_pc_dir}" "." "\${pcfiledir}" CLCONV_PC_PREFIX)
clconv_path_between("${clconv_pc_dir}" "${CMAKE_INSTALL_LIBDIR}" "\${pcfiledir}" CLCONV_PC_LIBDIR)
clconv_path_between("${clconv_pc_dir}" "${CMAKE_INSTALL_INCLUDEDIR}" "\${pcfiledir}" CLCONV_PC_INCLUDEDIR)
# What a static library needs is linked by the application, in C, too: with the C++ compiler's own libraries. A shared one
# asks for nothing else: pkg-config fails where a package of Requires.private has no development files.
if(BUILD_SHARED_LIBS)
  set(CLCONV_PC_REQUIRES OpenCL)
else()
  set(CLCONV_PC_REQUIRES "OpenCL, sqlite3")
  set(CLCONV_PC_LIBS " -lclblast -lpthread")
  foreach(library stdc++ c++ m)
    if(library IN_LIST CMAKE_CXX_IMPLICIT_LINK_LIBRARIES)
      string(APPEND CLCONV_PC_LIBS " -l${library}")
    endif()
  endforeach()
  if(CLCONV_ONNX)
    set(CLCONV_NET_PC_REQUIRES ", protobuf-lite")
  endif()
endif()
foreach(name clconv clconv-net)
  configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${clconv_pc_dir} COMPONENT dev)
endforeach()
include(cmake/packages.cmake)
