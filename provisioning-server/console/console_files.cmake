# Makes console_files.cpp out of the files of the console: a row for each, its content as a raw string.

file(GLOB files CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_LIST_DIR}
  ${CMAKE_CURRENT_LIST_DIR}/web/* ${CMAKE_CURRENT_LIST_DIR}/locales/*.json)
list(SORT files)
set(SKS_CONSOLE_ROWS "")
foreach(file ${files})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/${file})
  file(READ ${CMAKE_CURRENT_LIST_DIR}/${file} content)
  string(APPEND SKS_CONSOLE_ROWS "    {\"${file}\", R\"sks-file(${content})sks-file\"},\n")
endforeach()
configure_file(${CMAKE_CURRENT_LIST_DIR}/console_files.cpp.in ${CMAKE_CURRENT_BINARY_DIR}/console/console_files.cpp @ONLY)
