# native/core: plain C, knows libwebsockets and libuv, knows nothing of Node.
file(GLOB core_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/native/core/*.c")
if(NOT core_sources)
  message(FATAL_ERROR "native/core holds no C sources")
endif()

add_library(lwsn_core STATIC ${core_sources})
add_dependencies(lwsn_core lws_external)
target_compile_options(lwsn_core PRIVATE -Wall -Wextra -Werror -Wno-unused-parameter)
# NDEBUG must equal libwebsockets' own, or its private structures differ.
target_compile_definitions(lwsn_core PRIVATE _GNU_SOURCE LWS_BUILDING_STATIC NDEBUG)
target_include_directories(lwsn_core PUBLIC "${CMAKE_SOURCE_DIR}/native/core")
target_include_directories(lwsn_core SYSTEM PUBLIC ${LWSN_LWS_INCLUDES} ${LWSN_DEPENDENCY_INCLUDES})
target_include_directories(lwsn_core SYSTEM PRIVATE ${LWSN_LWS_PRIVATE_INCLUDES})
target_link_libraries(lwsn_core PUBLIC lws)

if(LWSN_TESTS)
  target_compile_options(lwsn_core PRIVATE -O1 -g)
else()
  target_compile_options(lwsn_core PRIVATE -O3 -ffunction-sections -fdata-sections)
endif()
target_compile_options(lwsn_core PRIVATE ${LWSN_FLAG_LIST})
