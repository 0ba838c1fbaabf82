# The addon as it is published: no symbol of glibc newer than 2.28 (glibc.c), no symbol table.
if(APPLE)
  target_link_options(addon PRIVATE -Wl,-x)
else()
  target_sources(addon PRIVATE "${CMAKE_SOURCE_DIR}/cmake/glibc.c")
  target_link_options(addon PRIVATE -Wl,--wrap=lstat -Wl,-s)
endif()
