#!/usr/bin/env bash
# Installs the programs into an empty prefix and runs each from there.
#
# usage: installed_programs.sh BUILD
set -euo pipefail
build=$1

work=$(mktemp -d)
home=$work/home
# The process that has the key store open.
holder() { cat "$home/.local/share/sks/default/lock" 2>/dev/null || true; }
clean_up() {
  local process
  process=$(holder)
  [ "$(cat "/proc/${process:-0}/comm" 2>/dev/null)" != sksd ] || kill "$process"
  rm -rf "$work"
}
trap clean_up EXIT
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
mkdir -m 700 "$home" "$work/run" "$work/decoy"
export HOME=$home XDG_CONFIG_HOME='' XDG_DATA_HOME='' XDG_STATE_HOME='' XDG_RUNTIME_DIR=$work/run
unset SKS_STORE SKS_PERSONA SKS_SOCKET SKS_SKSD
"$work/bin/sks" integrate p11-kit >/dev/null || fail "sks does not find its module"
grep -qxF "module: $module" "$home/.config/pkcs11/modules/sks.module" || fail "sks has integrated another module"

# The module starts the sksd that was installed with it, and no other.
printf '#!/bin/sh\necho "this is not sksd" >&2\nexit 1\n' >"$work/decoy/sksd"
chmod 700 "$work/decoy/sksd"
"$work/bin/sks" init >/dev/null
PATH=$work/decoy:$PATH "$build/bin/pkcs11_probe" "$module" || fail "the module shows no token"
started=$(tr '\0' ' ' <"/proc/$(holder)/cmdline") || fail "nobody has the key store"
[ "$started" = "$work/bin/sksd --for default " ] || fail "the module has started: $started"
"$work/bin/sks" list --json >"$work/list" || fail "sks does not reach that sksd"
[ "$(cat "$work/list")" = "[]" ] || fail "sks lists: $(cat "$work/list")"

# Nothing of a build folder stays in them.
for file in "$work"/bin/* "$module"; do
  ! readelf -d "$file" | grep -E 'RPATH|RUNPATH' | grep -qF "$build" || fail "$file looks for libraries where it was built"
done
