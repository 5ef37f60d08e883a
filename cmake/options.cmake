# sks_options: the warnings, hardening and sanitizers that every target of the project is built with.
add_library(sks_options INTERFACE)

target_compile_options(sks_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wold-style-cast -Wcast-align -Wformat=2 -Wundef -Wextra-semi
  $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond;-Wlogical-op>
  # g++ 12 sees impossible sizes in the inlined code of std::string and std::vector (GCC bug 105651 and its relatives).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-stringop-overread>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>
  $<$<BOOL:${SKS_WERROR}>:-Werror>
  -fstack-protector-strong)

if(SKS_SANITIZE)
  target_compile_options(sks_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
    # Libraries in which the tests spend their time.
    $<$<BOOL:$<TARGET_PROPERTY:SKS_OPTIMISED>>:-O1>
    # Their run time is in none of the shared libraries of clang++, and programs of others load ours.
    $<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=function,vptr>)
  target_link_options(sks_options INTERFACE -fsanitize=address,undefined)
  if(CMAKE_CXX_COMPILER_ID STREQUAL Clang AND NOT SKS_FUZZ)
    # As g++ does by default: programs of others that load our module get the sanitizer with it.
    execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-runtime-dir OUTPUT_VARIABLE SKS_SANITIZER_RUNTIME
                    OUTPUT_STRIP_TRAILING_WHITESPACE)
    target_link_options(sks_options INTERFACE -shared-libsan -Wl,-rpath,${SKS_SANITIZER_RUNTIME})
  endif()
  target_compile_definitions(sks_options INTERFACE _GLIBCXX_ASSERTIONS)
elseif(SKS_SANITIZE_THREAD)
  target_compile_options(sks_options INTERFACE -fsanitize=thread -fno-omit-frame-pointer)
  target_link_options(sks_options INTERFACE -fsanitize=thread)
else()
  # A level of _FORTIFY_SOURCE needs an optimising build.
  target_compile_options(sks_options INTERFACE $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3>)
endif()
if(SKS_FUZZ)
  target_compile_options(sks_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
target_link_options(sks_options INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
target_include_directories(sks_options INTERFACE ${CMAKE_SOURCE_DIR})
