# Libraries of the system. tools/scripts/setup.sh installs them on Debian 12. CMAKE_PREFIX_PATH is
# searched first.

find_package(Threads REQUIRED)
find_package(yaml-cpp REQUIRED)  # target `yaml-cpp` in 0.7, `yaml-cpp::yaml-cpp` from 0.8
if(NOT TARGET yaml-cpp)
  add_library(yaml-cpp ALIAS yaml-cpp::yaml-cpp)
endif()
find_package(ZLIB REQUIRED)
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Eigen3 REQUIRED NO_MODULE)
if(YARDMASTER_TESTS)
  find_package(GTest REQUIRED)
  find_package(benchmark REQUIRED)
endif()
