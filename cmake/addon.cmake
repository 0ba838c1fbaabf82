# native/binding and the addon itself: build/Release/lws.node.
if(NOT CMAKE_JS_INC)
  message(FATAL_ERROR "CMAKE_JS_INC is not set; build with: node scripts/build.mjs")
endif()

if(NOT LWSN_VERSION)
  message(FATAL_ERROR "LWSN_VERSION is not set; build with: node scripts/build.mjs")
endif()

file(GLOB binding_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/native/binding/*.cc")
if(NOT binding_sources)
  message(FATAL_ERROR "native/binding holds no C++ sources")
endif()

add_library(addon MODULE ${binding_sources})
set_target_properties(addon PROPERTIES OUTPUT_NAME lws PREFIX "" SUFFIX ".node")
target_compile_definitions(addon PRIVATE
  NAPI_VERSION=9
  BUILDING_NODE_EXTENSION
  NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS
  NODE_ADDON_API_DISABLE_DEPRECATED
  NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
  LWSN_VERSION="${LWSN_VERSION}"
  NDEBUG)
target_compile_options(addon PRIVATE -O3 -Wall -Wextra -Werror -Wno-unused-parameter -fno-exceptions
  ${LWSN_FLAG_LIST})
target_include_directories(addon SYSTEM PRIVATE ${CMAKE_JS_INC})
target_link_libraries(addon PRIVATE lwsn_core)

# Symbols of libuv, OpenSSL, zlib and Node-API stay undefined: the executable provides them. With
# -z now a missing one fails in the loader, not in the first TLS handshake.
target_link_options(addon PRIVATE ${LWSN_FLAG_LIST})
if(NOT APPLE)
  target_link_options(addon PRIVATE -Wl,-Bsymbolic -Wl,--exclude-libs,ALL -Wl,-z,now -Wl,-z,relro
    -Wl,-z,noexecstack -Wl,-z,nodelete -Wl,--gc-sections)
else()
  target_link_options(addon PRIVATE -Wl,-undefined,dynamic_lookup)
endif()
