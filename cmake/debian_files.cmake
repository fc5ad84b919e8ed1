# CPack runs it before it makes the Debian packages of what it has installed (cmake/packages.cmake): what Debian wants in
# a package and other systems do not. Each has a copyright file and a changelog, and man pages are compressed.
string(TIMESTAMP year "%Y" UTC)
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
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
    "Files: *\nCopyright: ${year} clconv's developers\nLicense: Apache-2.0\n"
    " On Debian systems the text of this license is in /usr/share/common-licenses/Apache-2.0.\n")
  file(WRITE "${folder}/usr/share/doc/${package}/changelog"
    "clconv (${CPACK_PACKAGE_VERSION}) unstable; urgency=medium\n\n"
    "  * Built from the repository, whose log has the changes.\n\n"
    " -- ${CPACK_PACKAGE_CONTACT}  ${date}\n")
  file(GLOB pages "${folder}/usr/share/man/man1/*.1" "${folder}/usr/share/doc/${package}/changelog")
  foreach(page IN LISTS pages)
    execute_process(COMMAND gzip -9nf "${page}" COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
endforeach()
