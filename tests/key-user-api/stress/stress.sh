#!/bin/bash
# pkcs11_stress with the module and the sksd of a build, in the store that the tests of applications have.
# usage: stress.sh BUILD-FOLDER PKCS11_STRESS MODE
STRESS=$(readlink -f "$2") MODE=$3
. "$(dirname "$0")/../../clients/common.sh"
SECONDS_EACH=${SKS_STRESS_SECONDS:-5}
SOCKET=$W/run/sks
stress() { # NAME OPTION...
  local name=$1
  shift
  if timeout 800 "$STRESS" "$MODE" "$MODULE" --token "$TOKEN" --pin $PIN --key-label ecuser "$@" >"$W/log" 2>&1; then
    ok "$name: $(cut -c1-300 "$W/log")"
  else
    bad "$name"
  fi
}
case $MODE in
  cycles)
    stress "4 threads" --threads 4 --seconds "$SECONDS_EACH"
    stress "4 processes" --threads 1 --processes 4 --seconds "$SECONDS_EACH"
    ;;
  sessions) stress "4,000 sessions" --sessions 4000 ;;
  forks) stress "200 forks" --forks 200 ;;
  kills)
    stress "4 processes of 16 threads" --threads 16 --processes 4 --seconds "$SECONDS_EACH" --socket "$SOCKET"
    stress "1,000 operations at the same time" --threads 50 --processes 20 --seconds "$SECONDS_EACH" --kill-every 0.5 --socket "$SOCKET"
    ;;
  # Keys of sks have five tries.
  pins) stress "guessing until the token locks" --tries 5 --rounds 20 --lock --socket "$SOCKET" ;;
  *) bad "there is no mode $MODE" ;;
esac
exit "$FAILED"
