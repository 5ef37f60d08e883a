#!/usr/bin/env bash
# Installs libsks into an empty prefix, uses it from there as integrators do, and runs what they have built.
#
# usage: integrators.sh SOURCE BUILD EXAMPLE-TEST
set -euo pipefail
source=$1
build=$2
example_test=$3
flags=${SKS_EXAMPLE_FLAGS:-}
example=$source/docs/integrators/example

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
fail() {
  echo "integrators: $*" >&2
  exit 1
}

cmake --install "$build" --component libsks --prefix "$prefix" >"$work/install.log"
export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name sks.pc)")
library=$(dirname "$PKG_CONFIG_PATH")

# Nothing but sks.h leaves the shared library, and all of it does.
declared=$(grep -oE '\bsks_[a-z_]+\(' "$prefix/include/sks.h" | tr -d '(' | sort -u)
exported=$(nm -D --defined-only "$library/libsks.so" | awk '{ print $3 }' | sort)
[ "$declared" = "$exported" ] || fail "libsks.so exports other symbols than sks.h declares: $exported"

# Each function is called by the C program of the tests.
for function in $declared; do
  grep -qE "\b$function\(" "$source/tests/sks-core/capi/calls.c" || fail "no C test calls $function"
done

# OpenSSL and the C++ runtime are all it needs.
needed=$(readelf -d "$library/libsks.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^lib(crypto|c|m|stdc\+\+|gcc_s|asan|ubsan)\.so|^libclang_rt\.|^ld-linux' || true)
[ -z "$needed" ] || fail "libsks.so needs $needed"

echo "== find_package"
cmake -S "$example" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="$flags" >"$work/configure.log" ||
  { cat "$work/configure.log"; fail "the example does not configure"; }
cmake --build "$work/cmake" >"$work/build.log" || { cat "$work/build.log"; fail "the example does not build"; }

echo "== pkg-config, shared and static"
# shellcheck disable=SC2046,SC2086 # lists of words on purpose
"$CC" -std=c99 -pedantic -Wall -Wextra -Werror $flags "$example"/*.c -o "$work/shared" \
  $(pkg-config --cflags --libs sks) -lcrypto -Wl,-rpath,"$library"
# shellcheck disable=SC2046,SC2086
"$CC" -std=c99 $flags "$example"/*.c -o "$work/static" \
  $(pkg-config --cflags --static --libs sks | sed s/-lsks/-l:libsks.a/)
! readelf -d "$work/static" | grep -q libsks || fail "the static program needs libsks.so"

for program in "$work/cmake/sks-device" "$work/shared" "$work/static"; do
  echo "== $(basename "$program")"
  SKS_EXAMPLE=$program "$example_test"
done

echo "== C++, with every installed header, in any order"
mkdir "$work/cxx"
{
  (cd "$prefix/include" && find . -name '*.h' | sort -r | sed 's|^\./\(.*\)|#include "\1"|')
  cat "$source/tests/integrators/engine_consumer.cpp"
} >"$work/cxx/main.cpp"
cp "$source/tests/integrators/engine_consumer.cmake" "$work/cxx/CMakeLists.txt"
cmake -S "$work/cxx" -B "$work/cxx/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_FLAGS="$flags" >"$work/cxx.log" ||
  { cat "$work/cxx.log"; fail "the C++ program does not configure"; }
cmake --build "$work/cxx/build" >"$work/cxx.log" || { cat "$work/cxx.log"; fail "the C++ program does not build"; }
"$work/cxx/build/consumer"

echo "== libsks alone, from source, with OpenSSL and nothing else"
cmake -S "$source" -B "$work/alone" -DSKS_LIBRARY_ONLY=ON \
  -DCMAKE_DISABLE_FIND_PACKAGE_Boost=ON \
  -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON -DCMAKE_DISABLE_FIND_PACKAGE_CLI11=ON >"$work/alone.log" ||
  { cat "$work/alone.log"; fail "libsks alone does not configure"; }
