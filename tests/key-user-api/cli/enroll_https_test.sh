#!/usr/bin/env bash
# Enrols with the real programs over real HTTPS on loopback: through proxies, under names that only the proxy knows or
# that no resolver does, and up to the browser.
#
# usage: enroll_https_test.sh SKS SKS_ISSUER
set -u
SKS=$1
ISSUER=$2
HERE=$(cd "$(dirname "$0")" && pwd)
W=$(mktemp -d)
SERVER=
. "$(dirname "$0")/../../support/equality.sh"
stop() {
  [ -z "$SERVER" ] || { kill "$SERVER"; wait "$SERVER"; } 2>/dev/null
  SERVER=
}
trap 'exec 7>&- 8>&-; stop; rm -rf "$W"' EXIT
unset https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY

start_issuer() { # start_issuer HOST: an issuer of its own under that name, on 127.0.0.1
  stop
  PORT=$(free_port)
  DIR=$W/$1
  "$ISSUER" init --dir "$DIR" --url "https://$1:$PORT/keygen2" >/dev/null || exit 1
  "$ISSUER" register --dir "$DIR" --certificate "$W/device.pem" >/dev/null || exit 1
  "$ISSUER" serve --dir "$DIR" --listen "127.0.0.1:$PORT" >"$W/serve.out" 2>"$W/serve.err" &
  SERVER=$!
  for _ in $(seq 200); do
    grep -q listening "$W/serve.out" 2>/dev/null && return 0
    kill -0 $SERVER 2>/dev/null || break
    sleep 0.05
  done
  cat "$W/serve.err"
  exit 1
}
start_proxy() { # start_proxy NAME FD OPTIONS...: its address is then in $W/NAME.port; it ends when FD is closed
  local name=$1 fd=$2
  shift 2
  mkfifo "$W/$name.life"
  python3 "$HERE/connect_proxy.py" --log "$W/$name.log" "$@" <"$W/$name.life" >"$W/$name.port" &
  eval "exec $fd>'$W/$name.life'"
  for _ in $(seq 200); do
    [ -s "$W/$name.port" ] && return 0
    sleep 0.05
  done
  exit 1
}
enroll() { # enroll OPTIONS...: with an invocation of its own
  local link
  link=$("$ISSUER" ticket --dir "$DIR" --profile default --subject 'CN=Jo Doe') || exit 1
  "$SKS" --store "$W/store" enroll --yes --pin 246810 --ca-file "$DIR/ca.pem" "$@" "$link" >"$W/out" 2>"$W/err"
}
keys() { "$SKS" --store "$W/store" list --json | grep -c '"handle"'; }

"$SKS" --store "$W/store" init --certificate-file "$W/device.pem" >/dev/null || exit 1

start_issuer issuer.example
start_proxy open 7
start_proxy closed 8 --user 'jo:open sesame'
PROXY=127.0.0.1:$(cat "$W/open.port")
GUARDED=127.0.0.1:$(cat "$W/closed.port")

enroll
check "a name that no resolver knows: exit code" $? 1
contains "a name that no resolver knows" "$(cat "$W/err")" "cannot find issuer.example:$PORT"

https_proxy=http://$PROXY enroll
check "through a proxy" $? 0
check "the proxy was asked once for all requests" "$(cat "$W/open.log")" "CONNECT issuer.example:$PORT -"
contains "it says whom it is connected to" "$(cat "$W/out")" "Connected to issuer.example:$PORT, whose TLS certificate"
check "the key is there" "$(keys)" 1

ALL_PROXY=jo:open%20sesame@$GUARDED enroll
check "through a proxy with user and password" $? 0
check "the second key is there" "$(keys)" 2

HTTPS_PROXY=http://jo:wrong-password@$GUARDED enroll
check "a wrong password for the proxy: exit code" $? 1
check "a wrong password for the proxy: one sentence" "$(cat "$W/err")" \
  "sks: the proxy $GUARDED (HTTPS_PROXY) does not accept the user name and password that are given there (HTTP status 407)"

https_proxy=socks5://jo:secret@$PROXY enroll
check "a proxy of another kind: exit code" $? 2
check "a proxy of another kind: one sentence without its password" "$(cat "$W/err")" \
  "sks: https_proxy: only http and https proxies are supported"
check "failures leave no key" "$(keys)" 2

# The URL of the issuer is what ends in "localhost": glibc knows that name from /etc/hosts and none under it.
start_issuer keys.localhost
enroll
check "a name under localhost" $? 0
https_proxy=http://127.0.0.1:1 no_proxy=other.example,.localhost enroll
check "an exception of the proxy" $? 0
https_proxy=http://127.0.0.1:1 enroll
check "a proxy that nobody listens at: exit code" $? 1
contains "a proxy that nobody listens at" "$(cat "$W/err")" "the proxy 127.0.0.1:1 (https_proxy)"

mkdir "$W/bin"
printf '#!/bin/sh\nprintf "%%s\\n" "$#" "$@" >"%s"\n' "$W/opened" >"$W/bin/xdg-open"
chmod +x "$W/bin/xdg-open"
PATH="$W/bin:$PATH" enroll
check "without --open" $? 0
check "nothing is opened" "$(ls "$W" | grep -c '^opened$')" 0
PATH="$W/bin:$PATH" enroll --open
check "with --open" $? 0
contains "the result page is opened" "$(cat "$W/opened")" "https://keys.localhost:$PORT/result?outcome=complete"
check "as one argument" "$(head -1 "$W/opened")" 1

# What the desktop entry starts: the URL behind --, and the page in the browser.
rm -f "$W/opened"
LINK=$("$ISSUER" ticket --dir "$DIR" --profile default --subject 'CN=Jo Doe')
PATH="$W/bin:$PATH" "$SKS" --store "$W/store" enroll --open --yes --pin 246810 --ca-file "$DIR/ca.pem" -- "$LINK" >/dev/null
check "the URL behind --" $? 0
check "opens the page as well" "$(ls "$W" | grep -c '^opened$')" 1
exit $FAILED
