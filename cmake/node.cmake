# libuv, OpenSSL and zlib of the running Node: its headers alone, since its executable provides the
# symbols and nothing is linked. libwebsockets itself is built without TLS, so it probes for none.
set(LWSN_NODE_INCLUDE "" CACHE PATH "Node's include/node folder")

foreach(header node_api.h uv.h openssl/ssl.h zlib.h)
  if(NOT EXISTS "${LWSN_NODE_INCLUDE}/${header}")
    message(FATAL_ERROR "LWSN_NODE_INCLUDE holds no ${header}; build with: node scripts/build.mjs")
  endif()
endforeach()

set(LWSN_DEPENDENCY_INCLUDES "${LWSN_NODE_INCLUDE}")
set(LWSN_DEPENDENCY_LIBRARIES "")
