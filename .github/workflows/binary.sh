#!/bin/sh
# Builds the published binary of one target on its own platform and runs the tests with that very file.
set -eu
target=$1

if [ -f /etc/alpine-release ]; then
  apk add --no-cache build-base cmake git linux-headers openssl
elif [ "$(uname)" = Linux ]; then
  node scripts/prerequisites.mjs build
fi
# The checkout belongs to the user of the machine, not to the image's.
git config --global --add safe.directory "$PWD"

npm ci --no-audit --no-fund
node scripts/prebuild.mjs "$target"
node scripts/build-lib.mjs
mkdir -p build/Release
cp "prebuilds/$target.node" build/Release/lws.node
npx vitest run test/api test/protocol test/deflate test/tls test/http test/client test/package
