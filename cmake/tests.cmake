# test/native: each *_test.c is one program; the other files are helpers linked into each.
file(GLOB test_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/test/native/*_test.c")
file(GLOB helper_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/test/native/*.c")
list(FILTER helper_sources EXCLUDE REGEX "_test\\.c$")
if(NOT test_sources)
  message(FATAL_ERROR "test/native holds no *_test.c")
endif()

add_library(lwsn_test_support INTERFACE)
target_compile_options(lwsn_test_support INTERFACE -O1 -g -Wall -Wextra -Werror -Wno-unused-parameter
  ${LWSN_FLAG_LIST})
target_compile_definitions(lwsn_test_support INTERFACE _GNU_SOURCE)
target_include_directories(lwsn_test_support INTERFACE "${CMAKE_SOURCE_DIR}/test/native")
target_link_options(lwsn_test_support INTERFACE ${LWSN_FLAG_LIST})
target_link_libraries(lwsn_test_support INTERFACE lwsn_core)

if(helper_sources)
  add_library(lwsn_test_helpers STATIC ${helper_sources})
  target_link_libraries(lwsn_test_helpers PUBLIC lwsn_test_support)
endif()

# test/fuzz: one target per file, for libFuzzer below and for the replay of the corpus in core_replay_test.
set(fuzz_targets http_head http_body proxy_header utf8 mask deflate frames server client)
file(GLOB fuzz_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/test/fuzz/*.c")
list(FILTER fuzz_sources EXCLUDE REGEX "/entry\\.c$")
add_library(lwsn_fuzz_targets STATIC ${fuzz_sources})
target_include_directories(lwsn_fuzz_targets PUBLIC "${CMAKE_SOURCE_DIR}/test/fuzz")
target_link_libraries(lwsn_fuzz_targets PUBLIC lwsn_test_helpers)

# The time of the core stands still until a test lets it pass (test/native/clock.h).
set(clock_wraps "LINKER:--wrap=uv_now,--wrap=uv_hrtime,--wrap=uv_backend_timeout")

if(LWSN_FUZZ)
  foreach(name ${fuzz_targets})
    add_executable(fuzz_${name} "${CMAKE_SOURCE_DIR}/test/fuzz/entry.c")
    target_compile_definitions(fuzz_${name} PRIVATE FUZZ_TARGET=fuzz_${name})
    target_link_libraries(fuzz_${name} PRIVATE lwsn_fuzz_targets)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer ${clock_wraps})
    set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
  endforeach()
  return()
endif()

foreach(source ${test_sources})
  get_filename_component(name "${source}" NAME_WE)
  add_executable(${name} "${source}")
  if(helper_sources)
    target_link_libraries(${name} PRIVATE lwsn_test_helpers)
  endif()
  target_link_libraries(${name} PRIVATE lwsn_test_support)
  if(name MATCHES "^core_")
    target_link_options(${name} PRIVATE ${clock_wraps})
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
endforeach()

# These let allocations of the core and of libwebsockets fail (test/native/failing.h).
foreach(name core_memory_test core_last_record_test core_group_test)
  target_link_options(${name} PRIVATE
    "LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc,--wrap=strdup,--wrap=mmap")
endforeach()

target_link_options(core_events_test PRIVATE "LINKER:--wrap=close")

target_link_libraries(core_replay_test PRIVATE lwsn_fuzz_targets)
target_compile_definitions(core_replay_test PRIVATE LWSN_FUZZ_FOLDER="${CMAKE_SOURCE_DIR}/test/fuzz")
