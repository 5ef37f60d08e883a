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

for page in man1/sks.1 man7/sks-pkcs11.7 man8/sksd.8; do
  [ -s "$work/share/man/$page" ] || fail "there is no manual page $page"
done
grep -q '^complete .* sks$' "$work/share/bash-completion/completions/sks" || fail "there is no completion for bash"
home=$work/home
mkdir "$home"
HOME=$home XDG_CONFIG_HOME='' "$work/bin/sks" integrate p11-kit >/dev/null || fail "sks does not find its module"
grep -qxF "module: $module" "$home/.config/pkcs11/modules/sks.module" || fail "sks has integrated another module"

# Nothing of a build folder stays in them.
for file in "$work"/bin/* "$module"; do
  ! readelf -d "$file" | grep -E 'RPATH|RUNPATH' | grep -qF "$build" || fail "$file looks for libraries where it was built"
done
