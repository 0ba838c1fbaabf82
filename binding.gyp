# For tools that know a native addon by this file: it calls the CMake build and lists no sources.
# Kept out of the published package, so that no installer takes it for an install script.
{
  'targets': [{
    'target_name': 'lws',
    'type': 'none',
    'actions': [{
      'action_name': 'cmake_build',
      'message': 'Building with CMake',
      'inputs': ['CMakeLists.txt'],
      'outputs': ['<(PRODUCT_DIR)/lws.node.always'],
      'action': ['node', 'scripts/build.mjs'],
    }],
  }],
}
