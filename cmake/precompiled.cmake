# With SKS_PRECOMPILED the headers of others that most files include are parsed once, not a thousand times. It
# is for the tests: only builds without it notice that a file includes too little.
#
# target_precompile_headers() would put the path of the build folder into the result, and ccache find nothing for another
# folder. So the file that is compiled is a small one of the system's, and the rest comes from the command.
set(precompiled_file ${OPENSSL_INCLUDE_DIR}/openssl/opensslv.h)
set(precompiled_before
  algorithm array atomic chrono condition_variable cstdint deque filesystem fstream functional map memory mutex optional set span
  sstream string string_view thread unordered_map utility variant vector nlohmann/json.hpp openssl/evp.h openssl/x509.h)
list(TRANSFORM precompiled_before PREPEND "SHELL:-include ")
set_source_files_properties(${precompiled_file} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-x;c++-header;-w")

# The compiler takes them only where the options that make a difference to code are the same.
set(precompiled_options_library -fPIC)
set(precompiled_options_optimised -fPIC -O1)
set(precompiled_options_program -fPIE)
foreach(kind library optimised program)
  set(precompiled_${kind} ${CMAKE_BINARY_DIR}/precompiled/${kind}.pch)
  add_library(sks_precompiled_${kind} OBJECT ${precompiled_file})
  set_target_properties(sks_precompiled_${kind} PROPERTIES POSITION_INDEPENDENT_CODE OFF SKS_PRECOMPILES ON)
  target_compile_definitions(sks_precompiled_${kind} PRIVATE $<TARGET_PROPERTY:sks_options,INTERFACE_COMPILE_DEFINITIONS>)
  target_compile_options(sks_precompiled_${kind} PRIVATE
    $<TARGET_PROPERTY:sks_options,INTERFACE_COMPILE_OPTIONS>
    -fpch-instantiate-templates "SHELL:-Xclang -fno-pch-timestamp" ${precompiled_before} ${precompiled_options_${kind}})
  # Objects of other targets wait for the result of a command, but not for an object.
  add_custom_command(OUTPUT ${precompiled_${kind}}
    COMMAND ${CMAKE_COMMAND} -E copy $<TARGET_OBJECTS:sks_precompiled_${kind}> ${precompiled_${kind}}
    DEPENDS $<TARGET_OBJECTS:sks_precompiled_${kind}>)
endforeach()
add_custom_target(sks_precompiled DEPENDS ${precompiled_library} ${precompiled_optimised} ${precompiled_program})
add_dependencies(sks_options sks_precompiled)

set(precompiled $<IF:$<BOOL:$<TARGET_PROPERTY:SKS_OPTIMISED>>,${precompiled_optimised},${precompiled_library}>)
set(precompiled $<IF:$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>,${precompiled_program},${precompiled}>)
target_compile_options(sks_options INTERFACE
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<NOT:$<BOOL:$<TARGET_PROPERTY:SKS_PRECOMPILES>>>>:SHELL:-include-pch ${precompiled}>)
