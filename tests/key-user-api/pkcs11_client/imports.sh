#!/usr/bin/env bash
# What the module needs of others, and what it shows them: imports.sh MODULE
set -euo pipefail
module=$1

fail() {
  echo "$*" >&2
  exit 1
}

needed=$(readelf -d "$module" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')
for library in $needed; do
  case $library in
    libc.so.6 | ld-linux-*) ;;
    *) fail "the module needs $library" ;;
  esac
done
[[ $needed == *libc.so.6* ]] || fail "readelf tells nothing: $needed"

shown=$(nm -D --defined-only "$module" | awk '{print $3}' | sort | tr '\n' ' ')
[[ $shown == "C_GetFunctionList C_GetInterface C_GetInterfaceList " ]] || fail "the module shows: $shown"

# Nothing that runs at the end of the program, at a fork, or beside the application's threads.
wanted=$(nm -D --undefined-only "$module" | awk '{print $2}')
for name in __cxa_atexit atexit __cxa_thread_atexit_impl pthread_atfork __register_atfork pthread_create fork; do
  if grep -qE "^$name(@|\$)" <<<"$wanted"; then fail "the module uses $name"; fi
done
if readelf -d "$module" | grep -q NODELETE; then fail "the module cannot be unloaded"; fi
