# yardmaster_room(NAME FOLDER [RECURSE] [ROOMS ...] [LIBRARIES ...] [PRIVATE_LIBRARIES ...])
#
# The static library `yardmaster_NAME` of the sources in FOLDER. PRIVATE_LIBRARIES are those whose
# headers the room hides. A room of headers alone becomes an interface library.
function(yardmaster_room name folder)
  cmake_parse_arguments(PARSE_ARGV 2 room "RECURSE" "" "ROOMS;LIBRARIES;PRIVATE_LIBRARIES")
  set(target yardmaster_${name})
  list(TRANSFORM room_ROOMS PREPEND yardmaster_)
  if(room_RECURSE)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  else()
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  endif()
  if(sources)
    add_library(${target} STATIC ${sources})
    target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR})
    target_link_libraries(${target} PUBLIC ${room_ROOMS} ${room_LIBRARIES}
                                    PRIVATE yardmaster_flags ${room_PRIVATE_LIBRARIES})
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${target} INTERFACE ${room_ROOMS} ${room_LIBRARIES})
  endif()
endfunction()
