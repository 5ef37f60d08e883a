#!/usr/bin/env bash
# Installs the programs into an empty prefix and runs each from there.
#
# usage: installed_programs.sh BUILD
set -euo pipefail
build=$1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
  echo "installed programs: $*" >&2
  exit 1
}

cmake --install "$build" --component programs --prefix "$work" >"$work/install.log"
for program in sks sksd sks-issuer; do
  [ "$("$work/bin/$program" --version | cut -d ' ' -f 1)" = "$program" ] || fail "$program does not run"
done

module=$(find "$work" -path '*/pkcs11/libsks-pkcs11.so')
[ -n "$module" ] || fail "there is no PKCS#11 module"
nm -D --defined-only "$module" | grep -q ' C_GetFunctionList$' || fail "$module is no PKCS#11 module"

# Nothing of a build folder stays in them.
for file in "$work"/bin/* "$module"; do
  ! readelf -d "$file" | grep -E 'RPATH|RUNPATH' | grep -qF "$build" || fail "$file looks for libraries where it was built"
done
