# CPack runs it on the Debian packages that it has made (cmake/packages.cmake): takes out the scripts that run ldconfig,
# which CPack adds to every library. dpkg keeps a package with a script for removal in its list until it is purged. The
# file `triggers` has dpkg run ldconfig instead.
foreach(package IN LISTS CPACK_PACKAGE_FILES)
  get_filename_component(name "${package}" NAME)
  set(folder "${CPACK_TEMPORARY_DIRECTORY}/without_scripts/${name}")
  file(MAKE_DIRECTORY "${CPACK_TEMPORARY_DIRECTORY}/without_scripts")
  execute_process(COMMAND dpkg-deb --raw-extract "${package}" "${folder}" COMMAND_ERROR_IS_FATAL ANY)
  if(EXISTS "${folder}/DEBIAN/triggers")
    file(REMOVE "${folder}/DEBIAN/postinst" "${folder}/DEBIAN/postrm")
    execute_process(COMMAND dpkg-deb --root-owner-group --build "${folder}" "${package}"
      OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  endif()
  file(REMOVE_RECURSE "${folder}")
endforeach()
