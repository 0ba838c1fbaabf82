# libwebsockets as a static archive of hidden symbols, in a build of its own: its configuration runs
# once, and a change of ours never reaches it. The folder carries the key of the sources, so that other
# sources (an edited patch) are configured and built anew.
include(ExternalProject)

get_filename_component(lws_key "${LWSN_LWS_SOURCE}" NAME)
set(lws_build "${CMAKE_BINARY_DIR}/lws-${lws_key}")
set(LWSN_LWS_LIBRARY "${lws_build}/lib/libwebsockets.a")

set(lws_options
  # Static only; no programs, no plugins, nothing exported.
  -DLWS_WITH_STATIC=ON -DLWS_WITH_SHARED=OFF -DLWS_STATIC_PIC=ON -DLWS_WITHOUT_TESTAPPS=ON
  -DLWS_WITH_MINIMAL_EXAMPLES=OFF -DLWS_WITH_EXPORT_LWSTARGETS=OFF
  # Its warnings are upstream's; a newer compiler's new warning must not stop the build.
  -DDISABLE_WERROR=ON
  # A custom event library needs the event-library fields in its structures, but none of its own
  # back ends. No option exists for this; the implied-options file leaves a cache entry standing.
  -DLWS_WITH_EVENT_LIBS=ON -DLWS_WITH_EVLIB_PLUGINS=OFF
  # What we use.
  -DLWS_IPV6=ON -DLWS_UNIX_SOCK=ON
  # What we do ourselves: TLS between socket and parser, permessage-deflate, request heads, connecting,
  # files, timers of connections. Off, they also leave every wsi 300 bytes smaller.
  -DLWS_WITH_SSL=OFF -DLWS_WITHOUT_CLIENT=ON -DLWS_WITH_CUSTOM_HEADERS=OFF
  -DLWS_WITH_HTTP_UNCOMMON_HEADERS=OFF -DLWS_WITHOUT_EXTENSIONS=ON -DLWS_WITH_ZLIB=OFF -DLWS_WITH_FILE_OPS=OFF
  # What must not be there: HTTP/2 (holes in its WebSocket part), a netlink socket that closes
  # connections on route changes, per-turn work, proxies taken from the environment.
  -DLWS_WITH_HTTP2=OFF -DLWS_WITH_NETLINK=OFF -DLWS_WITH_SYS_SMD=OFF -DLWS_WITH_SYS_STATE=OFF
  -DLWS_WITH_CONMON=OFF -DLWS_LOG_TAG_LIFECYCLE=OFF -DLWS_CLIENT_HTTP_PROXYING=OFF
  -DLWS_WITH_TLS_SESSIONS=OFF -DLWS_WITH_CACHE_NSCOOKIEJAR=OFF -DLWS_WITH_UDP=OFF
  -DLWS_WITH_LEJP=OFF -DLWS_WITH_LWSAC=OFF -DLWS_WITH_CBOR_FLOAT=OFF -DLWS_ROLE_RAW_FILE=OFF
  -DLWS_WITH_HTTP_BASIC_AUTH=OFF -DLWS_LOGS_TIMESTAMP=OFF
  # On by default in later versions.
  -DLWS_WITH_SECURE_STREAMS=OFF -DLWS_WITH_DLO=OFF
  # Never depend on what happens to be installed on the building machine.
  -DLWS_HAVE_LIBCAP=OFF -DLWS_HAVE_SYS_CAPABILITY_H=OFF
  -DCMAKE_DISABLE_FIND_PACKAGE_Git=ON -DLWS_BUILD_HASH=node)

# NDEBUG always: it decides over lws_config.h, and its assertions would end the Node process.
if(LWSN_TESTS)
  set(lws_c_flags "-O1 -g -DNDEBUG ${LWSN_FLAGS}")
else()
  set(lws_c_flags "-O3 -DNDEBUG -ffunction-sections -fdata-sections ${LWSN_FLAGS}")
endif()
set(lws_compiler -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER})
if(CMAKE_TOOLCHAIN_FILE)
  list(APPEND lws_compiler -DCMAKE_TOOLCHAIN_FILE=${CMAKE_TOOLCHAIN_FILE})
endif()
if(APPLE AND CMAKE_OSX_ARCHITECTURES)
  list(APPEND lws_compiler -DCMAKE_OSX_ARCHITECTURES=${CMAKE_OSX_ARCHITECTURES})
endif()
if(CMAKE_C_COMPILER_LAUNCHER)
  list(APPEND lws_compiler -DCMAKE_C_COMPILER_LAUNCHER=${CMAKE_C_COMPILER_LAUNCHER})
endif()

ExternalProject_Add(lws_external
  SOURCE_DIR "${LWSN_LWS_SOURCE}"
  BINARY_DIR "${lws_build}"
  STAMP_DIR "${lws_build}/stamp"
  TMP_DIR "${lws_build}/tmp"
  DOWNLOAD_COMMAND ""
  UPDATE_COMMAND ""
  PATCH_COMMAND ""
  CMAKE_ARGS
    -DCMAKE_BUILD_TYPE=Release "-DCMAKE_C_FLAGS_RELEASE=${lws_c_flags}" ${lws_compiler}
    -DCMAKE_POLICY_VERSION_MINIMUM=3.5 --no-warn-unused-cli
    ${lws_options}
  BUILD_COMMAND ${CMAKE_COMMAND} --build "${lws_build}" --target websockets --parallel ${LWSN_JOBS}
  INSTALL_COMMAND ""
  BUILD_BYPRODUCTS "${LWSN_LWS_LIBRARY}"
  LOG_CONFIGURE ON
  LOG_BUILD ON
  LOG_OUTPUT_ON_FAILURE ON)

add_library(lws STATIC IMPORTED)
set_target_properties(lws PROPERTIES IMPORTED_LOCATION "${LWSN_LWS_LIBRARY}"
  INTERFACE_LINK_LIBRARIES "${LWSN_DEPENDENCY_LIBRARIES}")
add_dependencies(lws lws_external)

# The same folders that libwebsockets' own sources see, for the few files of the core that need its
# private headers. Marked as system headers: their warnings are not ours.
set(LWSN_LWS_INCLUDES "${lws_build}" "${LWSN_LWS_SOURCE}/include")
foreach(folder . plat/unix tls core misc system/async-dns system/metrics core-net roles roles/http
    roles/http/compression roles/h1 roles/ws roles/raw-skt roles/listen event-libs event-libs/poll secure-streams)
  list(APPEND LWSN_LWS_PRIVATE_INCLUDES "${LWSN_LWS_SOURCE}/lib/${folder}")
endforeach()
