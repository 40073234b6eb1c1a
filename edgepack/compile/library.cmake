# A C library from a list of its files, for sources that bring no CMake project that fits.
cmake_minimum_required(VERSION 3.21)
project(edgepack_library LANGUAGES C)

set(CMAKE_C_STANDARD 11)
add_library(edgepack_library STATIC ${EDGEPACK_FILES})
target_include_directories(edgepack_library PRIVATE . ${EDGEPACK_INCLUDES})
target_compile_options(edgepack_library PRIVATE ${EDGEPACK_FLAGS})
target_compile_definitions(edgepack_library PRIVATE ${EDGEPACK_DEFINES})
set_target_properties(edgepack_library PROPERTIES OUTPUT_NAME "${EDGEPACK_ARCHIVE}")
