# CPack runs it before it makes the Debian packages of what it has installed (cmake/packages.cmake): what Debian wants in
# a package and other systems do not. Each has a copyright file, and man pages are compressed.
file(GLOB components LIST_DIRECTORIES true "${CPACK_TEMPORARY_DIRECTORY}/*")
foreach(folder IN LISTS components)
  get_filename_component(component "${folder}" NAME)
  string(TOUPPER "${component}" upper)
  set(package "${CPACK_DEBIAN_${upper}_PACKAGE_NAME}")
  if(NOT package)
    continue()
  endif()
  file(WRITE "${folder}/usr/share/doc/${package}/copyright"
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
    "Upstream-Name: clconv\n\n"
    "Files: *\nCopyright: clconv's developers\nLicense: Apache-2.0\n"
    " On Debian systems the text of this license is in /usr/share/common-licenses/Apache-2.0.\n")
  file(GLOB pages "${folder}/usr/share/man/man1/*.1")
  foreach(page IN LISTS pages)
    execute_process(COMMAND gzip -9nf "${page}" COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
endforeach()
