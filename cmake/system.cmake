# The system's libuv, OpenSSL and zlib: for the C tests only, which run without Node.
find_package(OpenSSL 3 REQUIRED)
find_package(ZLIB REQUIRED)
find_path(LWSN_UV_INCLUDE uv.h REQUIRED)
find_library(LWSN_UV_LIBRARY uv REQUIRED)

set(LWSN_DEPENDENCY_INCLUDES "${LWSN_UV_INCLUDE};${OPENSSL_INCLUDE_DIR};${ZLIB_INCLUDE_DIRS}")
set(LWSN_DEPENDENCY_LIBRARIES ${LWSN_UV_LIBRARY} ${OPENSSL_LIBRARIES} ${ZLIB_LIBRARIES} pthread dl)
