# What shell tests check with: one line for each check, and a count. Output goes to $W/log, the last lines of which a failure shows.
PASSED=0 FAILED=0
ok() { PASSED=$((PASSED + 1)); echo "ok   $*"; }
bad() { FAILED=$((FAILED + 1)); echo "FAIL $*"; sed 's/^/     /' "$W/log" 2>/dev/null | tail -15; }
# A function sees to it itself that it ends.
limited() { if declare -F "$1" >/dev/null; then "$@"; else timeout 120 "$@"; fi; }
# check NAME COMMAND...: the command must succeed.
check() {
  local name=$1
  shift
  if limited "$@" >"$W/log" 2>&1 </dev/null; then ok "$name"; else bad "$name (exit status $?)"; fi
}
# check_fails NAME COMMAND...: it must not.
check_fails() {
  local name=$1
  shift
  if limited "$@" >"$W/log" 2>&1 </dev/null; then bad "$name"; else ok "$name"; fi
}
# check_says NAME TEXT COMMAND...: the command must print the text, whatever it thinks of it.
check_says() {
  local name=$1 text=$2
  shift 2
  limited "$@" >"$W/log" 2>&1 </dev/null
  if grep -aqE -- "$text" "$W/log"; then ok "$name"; else bad "$name: no \"$text\""; fi
}
