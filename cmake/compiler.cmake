# Language, flags and warnings of the project's code (interface target `yardmaster_flags`).

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Rooms are linked into the LibTorch module as well as into the command.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")

# Used if found, never required.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
find_program(LLD_PROGRAM ld.lld)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
elseif(LLD_PROGRAM)
  add_link_options(-fuse-ld=lld)
endif()

add_library(yardmaster_flags INTERFACE)
target_compile_options(yardmaster_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)

# Objects of the kernel also contain what GCC needs to inline across rooms at link time, which saves
# 4 % of a run. Only targets with the property OPTIMISED_AT_LINK_TIME are linked this way, because
# it takes seconds per target.
option(YARDMASTER_LTO "Optimise the command and the benchmarks at link time (GCC, Release)" ON)
if(YARDMASTER_LTO AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE STREQUAL "Release")
  set(YARDMASTER_FAT_OBJECTS -flto=auto -ffat-lto-objects)
  add_link_options(
    $<IF:$<BOOL:$<TARGET_PROPERTY:OPTIMISED_AT_LINK_TIME>>,-flto=auto,-fno-lto>)
endif()

# Contraction into FMA would make the last bits, and therefore digests, depend on the machine.
add_compile_options(-ffp-contract=off)
# No library interposes our functions. Without this flag -fPIC forbids inlining across them.
add_compile_options(-fno-semantic-interposition)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND YARDMASTER_ARCH)
  add_compile_options(-march=${YARDMASTER_ARCH})
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()
if(YARDMASTER_SANITIZE)
  # -g1 has the line numbers that reports print. The rest takes a fifth of the compile time.
  add_compile_options(-fsanitize=${YARDMASTER_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${YARDMASTER_SANITIZE})
endif()
