#!/bin/bash
# Drives the sks-issuer program over real HTTPS with curl: what the process, TLS and HTTP do around the handler.
# usage: https_test.sh SKS_ISSUER
set -u
ISSUER=$1
SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
W=$(mktemp -d)
SERVER=
. "$(dirname "$0")/../support/equality.sh"
trap 'test -n "$SERVER" && kill "$SERVER" 2>/dev/null; rm -rf "$W"' EXIT

refused() { # refused DESCRIPTION EXIT_CODE PART ARGUMENTS...: one line on stderr, nothing on stdout
  local what=$1 code=$2 part=$3
  shift 3
  "$ISSUER" "$@" >"$W/out" 2>"$W/err"
  check "$what: exit code" $? "$code"
  check "$what: lines on stderr" "$(wc -l <"$W/err")" 1
  check "$what: nothing on stdout" "$(cat "$W/out")" ""
  contains "$what: says why" "$(cat "$W/err")" "$part"
}
start() { # start ARGUMENTS...: waits for the line that says it is ready
  : >"$W/serve.out"  # the program that ran before has said so as well
  "$ISSUER" serve --dir "$W/issuer" "$@" >"$W/serve.out" 2>"$W/serve.err" &
  SERVER=$!
  for _ in $(seq 200); do
    grep -q listening "$W/serve.out" && return 0
    kill -0 $SERVER 2>/dev/null || break
    sleep 0.05
  done
  cat "$W/serve.err"
  return 1
}
stop() {
  kill -TERM "$SERVER"
  wait "$SERVER"
  check "stops gracefully on SIGTERM" $? 0
  SERVER=
}
CURL=(curl -sS --max-time 20 --cacert "$W/issuer/ca.pem")
status() { "${CURL[@]}" -o /dev/null -w '%{http_code}' "$@"; }

PORT=$(free_port)
URL=https://localhost:$PORT/keygen2
ORIGIN=https://localhost:$PORT

refused "no arguments" 2 "subcommand"
refused "unknown option" 2 "--nonsense" serve --dir "$W/x" --nonsense
refused "unknown command" 2 "unknown command or option 'bogus'" bogus
refused "unknown option without command" 2 "unknown command or option '--bogus'" --bogus
refused "unknown option of a command" 2 "unknown command or option '--bogus'" init --bogus
refused "command of two lines" 2 "unknown command or option 'a?b'" $'a\nb'
refused "empty folder" 2 "--dir: the value is empty" init --dir "" --url "$URL"
refused "empty URL" 2 "--url: the value is empty" init --dir "$W/x" --url ""
refused "empty device trust" 2 "--device-trust: the value is empty" init --dir "$W/x" --url "$URL" --device-trust ""
refused "empty address" 2 "--listen: the value is empty" serve --dir "$W/x" --listen ""
refused "empty profile" 2 "--profile: the value is empty" ticket --dir "$W/x" --profile ""
refused "empty subject" 2 "--subject: the value is empty" ticket --dir "$W/x" --profile default --subject ""
refused "empty folder behind =" 2 "--dir= has no value" ticket --dir= --profile default
refused "empty subject behind =" 2 "--subject= has no value" ticket --dir "$W/x" --profile default --subject= --json
contains "its version" "$("$ISSUER" --version)" "sks-issuer $(sed -n 's/^project(.*VERSION \([0-9.]*\).*/\1/p' "$SOURCE/CMakeLists.txt")"
refused "broken percent-encoding" 1 "two hexadecimal digits" init --dir "$W/x" --url "$URL/%zz"
refused "init without URL" 2 "--url" init --dir "$W/x"
refused "plain http" 1 "https://" init --dir "$W/x" --url http://localhost/k
refused "unknown device trust" 1 "--device-trust" init --dir "$W/x" --url "$URL" --device-trust all
refused "absent device CA" 1 "$W/absent.pem" init --dir "$W/x" --url "$URL" --device-trust "ca:$W/absent.pem"
refused "no device CA" 1 "ca: needs the name of a PEM file" init --dir "$W/x" --url "$URL" --device-trust ca:
LONG=$(printf 'x%.0s' $(seq 300))
refused "serve with a name that is too long" 1 "sks-issuer: cannot read $W/$LONG/issuer.toml: File name too long" serve --dir "$W/$LONG"
refused "init with a name that is too long" 1 "sks-issuer: cannot make the folder $W/$LONG" init --dir "$W/$LONG" --url "$URL"
mkdir "$W/gone"
(cd "$W/gone" && rmdir "$W/gone" && refused "serve without a current folder" 1 "sks-issuer: there is no issuer in x" serve --dir x; exit $FAILED) || FAILED=1
refused "serve without issuer" 1 "no issuer" serve --dir "$W/absent"
refused "ticket without issuer" 1 "no issuer" ticket --dir "$W/absent" --profile default
check "failed commands leave nothing" "$(ls "$W")" "$(printf 'err\nout')"

OPEN=$("$ISSUER" init --dir "$W/issuer" --url "$URL" --device-trust open)
check "init with open trust succeeds" $? 0
contains "init says what open means" "$OPEN" "nothing proves where keys live"
# An authority that OpenSSL has made takes the place of the new one; its key is plain first, and sealed then.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=Own CA" -days 30 \
  -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$W/own-ca.key" -out "$W/issuer/credential-ca.pem" 2>/dev/null
(umask 077; cp "$W/own-ca.key" "$W/issuer/keys/credential-ca.key")
check "seals the key that is plain" "$("$ISSUER" seal --dir "$W/issuer")" "$W/issuer/keys/credential-ca.key sealed"
check "and has nothing to seal then" "$("$ISSUER" seal --dir "$W/issuer")" ""
check "the sealed key is no PEM key" "$(grep -c 'PRIVATE KEY' "$W/issuer/keys/credential-ca.key")" 0
check "renew tls" "$("$ISSUER" renew tls --dir "$W/issuer" --new-key >/dev/null; echo $?)" 0
refused "renew something else" 1 "tls, credential-ca or tls-ca" renew --dir "$W/issuer" kmk
refused "renew nothing" 2 "what" renew --dir "$W/issuer"
refused "second init" 1 "already holds an issuer" init --dir "$W/issuer" --url "$URL"
refused "unknown profile" 1 'no profile "gold"' ticket --dir "$W/issuer" --profile gold
refused "profile outside the folder" 1 "the name of a profile has" ticket --dir "$W/issuer" --profile ../issuer
refused "subject that is no name" 1 "--subject" ticket --dir "$W/issuer" --profile default --subject "Jo"
refused "profile of two lines" 1 "the name of a profile has" ticket --dir "$W/issuer" --profile $'a\nb'
refused "subject with a long name" 1 "--subject" ticket --dir "$W/issuer" --profile default --subject "CN=$LONG"
check "and without a code of OpenSSL" "$(grep -c 'error:[0-9A-F]' "$W/err")" 0
"$ISSUER" ticket --dir "$W/issuer" --profile default >/dev/full 2>"$W/err"
check "a ticket that cannot be printed: exit code" $? 1
check "a ticket that cannot be printed: says so" "$(cat "$W/err")" \
  "sks-issuer: the ticket was made but could not be printed, so it is of no use: make another one"
mv "$W/issuer/profiles" "$W/profiles"
refused "no folder of profiles" 1 "cannot read the folder of the profiles: No such file" ticket --dir "$W/issuer" --profile default
mkdir "$W/issuer/profiles"
refused "no profiles" 1 "there are none in profiles" ticket --dir "$W/issuer" --profile default
rmdir "$W/issuer/profiles"
mv "$W/profiles" "$W/issuer/profiles"
chmod 640 "$W/issuer/keys/kek"
refused "a key that others may read" 1 "run chmod 600 $W/issuer/keys/kek" serve --dir "$W/issuer"
refused "the same for tickets" 1 "run chmod 600 $W/issuer/keys/kek" ticket --dir "$W/issuer" --profile default
chmod 600 "$W/issuer/keys/kek"
for COMMAND in revoke suspend resume puk; do
  refused "$COMMAND of a malformed fingerprint" 1 "the SHA-256 of a certificate" $COMMAND --dir "$W/issuer" --fingerprint xx
done
refused "malformed fingerprint" 1 "64 hexadecimal digits" register --dir "$W/issuer" --fingerprint abc
refused "fingerprint and certificate" 2 "certificate" register --dir "$W/issuer" --fingerprint abc --certificate x
refused "revoke of the unknown" 1 "no credential" revoke --dir "$W/issuer" --fingerprint "$(printf '%064d' 0)"
refused "suspend of the unknown" 1 "no credential" suspend --dir "$W/issuer" --fingerprint "$(printf '%064d' 0)"
refused "resume of the unknown" 1 "no credential" resume --dir "$W/issuer" --fingerprint "$(printf '%064d' 0)"
for REASON in certificateHold removeFromCRL keycompromise; do
  refused "revoke for the reason $REASON" 1 "--reason is one of unspecified, keyCompromise," \
    revoke --dir "$W/issuer" --fingerprint "$(printf '%064d' 0)" --reason "$REASON"
done
refused "serve at a malformed address" 1 "HOST:PORT" serve --dir "$W/issuer" --listen :
cp "$W/issuer/issuer.toml" "$W/saved.toml"
echo 'nonsense = 1' >>"$W/issuer/issuer.toml"
refused "broken configuration" 1 "issuer.toml:" serve --dir "$W/issuer"
cp "$W/saved.toml" "$W/issuer/issuer.toml"
echo 'nonsense = 1' >>"$W/issuer/profiles/pair.toml"
refused "broken profile" 1 "pair.toml:" serve --dir "$W/issuer"
sed -i '$d' "$W/issuer/profiles/pair.toml"

start || exit 1
check "says where it listens" "$(cat "$W/serve.out")" "listening on $URL"
refused "port in use" 1 "cannot listen" serve --dir "$W/issuer"

FINGERPRINT=$(printf 'ab%.0s' $(seq 32))
"$ISSUER" register --dir "$W/issuer" --fingerprint "$FINGERPRINT" >/dev/null
check "register succeeds while serving" $? 0
check "register adds one line" "$(grep -c "^$FINGERPRINT$" "$W/issuer/registered-devices")" 1

LINK=$("$ISSUER" ticket --dir "$W/issuer" --profile pair)
contains "an invocation link" "$LINK" "keygen2://?init=https%3A%2F%2Flocalhost%3A$PORT%2Fkeygen2%3Fticket%3D"
contains "an invocation link has the main URL" "$LINK" "&url=https%3A%2F%2Flocalhost%3A$PORT%2Fkeygen2"
TICKET=$("$ISSUER" ticket --dir "$W/issuer" --profile default --subject "CN=Jo,O=X" --json)
INIT=$(printf %s "$TICKET" | sed 's/.*"init":"\([^"]*\)".*/\1/')
INVOCATION=$(printf %s "$TICKET" | sed 's/.*"invocation":"\([^"]*\)".*/\1/')
COOKIE="&cookie=__Host-sks-session%3D[A-Za-z0-9_-]*&cncl="
check "an invocation link has a cookie" "$(printf '%s\n' "$LINK" | grep -c -- "$COOKIE")" 1
check "so does the link in the JSON" "$(printf '%s\n' "$INVOCATION" | grep -c -- "$COOKIE")" 1
check "the JSON has the main URL" "$(printf %s "$TICKET" | sed 's/.*"url":"\([^"]*\)".*/\1/')" "$URL"

"${CURL[@]}" -D "$W/head" -c "$W/jar" "$INIT" >"$W/body"
contains "the first message" "$(cat "$W/body")" '"InvocationRequest"'
contains "the first message is JSON" "$(tr -d '\r' <"$W/head")" $'\nContent-Type: application/json\n'
contains "nothing is cached" "$(tr -d '\r' <"$W/head")" $'\nCache-Control: no-store\n'
contains "curl keeps the cookie" "$(cat "$W/jar")" "__Host-sks-session"
check "a ticket is used once" "$("${CURL[@]}" -o /dev/null -w '%{http_code} %{redirect_url}' "$INIT")" \
  "302 $ORIGIN/result?outcome=refused&reason=ticket-used"

# A client that sends the cookie of its invocation and ignores Set-Cookie keeps its session.
PAIR=$(printf %s "$LINK" | sed 's/.*&cookie=//; s/&.*//; s/%3D/=/')
PAIR_INIT=$(printf %s "$LINK" | sed 's/.*init=\([^&]*\)&.*/\1/; s/%3A/:/g; s/%2F/\//g; s/%3F/?/g; s/%3D/=/g')
"${CURL[@]}" -D "$W/head" -H "Cookie: $PAIR" "$PAIR_INIT" >"$W/body"
contains "the cookie of an invocation starts a session" "$(cat "$W/body")" '"InvocationRequest"'
check "and is the one that counts" "$(grep -ci '^Set-Cookie' "$W/head")" 0
check "the session goes on under it" \
  "$("${CURL[@]}" -H "Cookie: $PAIR" -o /dev/null -w '%{redirect_url}' -H "Content-Type: application/json" -d '{}' "$URL")" \
  "$ORIGIN/result?outcome=refused&reason=json"

head -c 1048577 /dev/zero | tr '\0' ' ' >"$W/large"
JSON='Content-Type: application/json'
check "unknown path" "$(status "$ORIGIN/other")" 404
check "unknown method" "$(status -X PUT "$URL")" 405
check "HEAD" "$(status -I "$URL")" 405
check "wrong content type" "$(status -d x=1 "$URL")" 415
check "body too large" "$(status -H "$JSON" --data-binary "@$W/large" "$URL")" 413
check "body too large without asking" "$(status -H "$JSON" -H 'Expect:' --data-binary "@$W/large" "$URL")" 413
check "chunked body too large" "$(status -H "$JSON" -H 'Transfer-Encoding: chunked' --data-binary "@$W/large" "$URL")" 413
check "header too large" "$(status -H "X: $(head -c 20000 "$W/large" | tr ' ' x)" "$URL")" 400
check "refusals of HTTP do not end the session" \
  "$("${CURL[@]}" -b "$W/jar" -o /dev/null -w '%{http_code} %{redirect_url}' -H "$JSON" -d '{}' "$URL")" \
  "302 $ORIGIN/result?outcome=refused&reason=json"
check "a chunked body is read" "$(status -H "$JSON" -H 'Transfer-Encoding: chunked' -d '{}' "$URL")" 302
check "Content-Type may have parameters" "$(status -H "$JSON; charset=utf-8" -d '{}' "$URL")" 302
check "the result page" "$(status "$ORIGIN/result?outcome=complete")" 200
check "several requests on one connection" \
  "$("${CURL[@]}" -o /dev/null -o /dev/null -w '%{http_code} %{num_connects},' "$ORIGIN/result" "$ORIGIN/result")" "200 1,200 0,"
check "a target in absolute-form" "$(status --request-target "$ORIGIN/result" "$ORIGIN/result")" 200
check "a target of another server" "$(status --request-target "https://other/result" "$ORIGIN/result")" 400
check "something that is not HTTP" \
  "$(printf 'HELLO\r\n\r\n' | openssl s_client -quiet -connect "localhost:$PORT" -CAfile "$W/issuer/ca.pem" 2>/dev/null | head -1 | tr -d '\r')" \
  "HTTP/1.1 400 Bad Request"

# What curl would never send, as bytes in as few TLS records as they fit in.
RAW=(timeout 20 openssl s_client -quiet -connect "localhost:$PORT" -CAfile "$W/issuer/ca.pem")
POST="POST /keygen2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
RAW_PIDS=()
send_raw() { # send_raw NAME, the bytes on stdin: the status line goes to $W/NAME.status, nothing when there is no answer
  cat >"$W/$1.raw"
  { "${RAW[@]}" <"$W/$1.raw" 2>/dev/null | head -1 | tr -d '\r' >"$W/$1.status"; } &
  RAW_PIDS+=($!)
}
send_raw body < <({ printf "${POST}Content-Length: 1048577\r\n\r\n"; cat "$W/large"; })
send_raw chunk < <({ printf "${POST}Transfer-Encoding: chunked\r\n\r\n100001\r\n"; cat "$W/large"; })
send_raw extension < <({ printf "${POST}Transfer-Encoding: chunked\r\n\r\n1;"; tr ' ' x <"$W/large"; })
send_raw trailer < <({ printf "${POST}Transfer-Encoding: chunked\r\n\r\n0\r\nX: "; tr ' ' x <"$W/large"; })
send_raw both < <(printf "${POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
send_raw gzip < <(printf "${POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
send_raw coding < <(printf "${POST}Transfer-Encoding: gzip\r\n\r\n{}")
send_raw twice < <(printf "${POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")

# A client that goes on sending, slowly, what was refused does not keep its connection.
BEGIN=$SECONDS
{ printf 'POST /other HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n'
  for _ in $(seq 14); do sleep 1; printf x || break; done; } 2>/dev/null | "${RAW[@]}" >"$W/slow" 2>/dev/null
contains "a slow client gets its refusal" "$(cat "$W/slow")" "404 Not Found"
check "and is cut off soon" "$((SECONDS - BEGIN < 10))" 1

wait "${RAW_PIDS[@]}"
check "body too large in the same record as the header" "$(cat "$W/body.status")" "HTTP/1.1 413 Payload Too Large"
check "chunk too large in the same record as the header" "$(cat "$W/chunk.status")" "HTTP/1.1 413 Payload Too Large"
check "a chunk extension without end" "$(cat "$W/extension.status")" "HTTP/1.1 400 Bad Request"
check "a trailer without end" "$(cat "$W/trailer.status")" "HTTP/1.1 400 Bad Request"
check "two kinds of length" "$(cat "$W/both.status")" "HTTP/1.1 400 Bad Request"
check "a coding besides chunked" "$(cat "$W/gzip.status")" "HTTP/1.1 400 Bad Request"
check "another coding than chunked" "$(cat "$W/coding.status")" "HTTP/1.1 400 Bad Request"
check "two different lengths" "$(cat "$W/twice.status")" "HTTP/1.1 400 Bad Request"

BEGIN=$SECONDS
timeout 20 cat <"/dev/tcp/127.0.0.1/$PORT" >/dev/null &
SILENT=$!

# More silent clients than threads, before and after their TLS handshake.
for FD in 11 12 13 14; do eval "exec $FD<>/dev/tcp/127.0.0.1/$PORT"; done
for N in 1 2 3; do sleep 4 | "${RAW[@]}" >"$W/idle$N" 2>&1 & done
sleep 0.5
check "silent clients block nobody" "$(status --max-time 3 "$ORIGIN/result")" 200
for FD in 11 12 13 14; do eval "exec $FD>&-"; done

for VERSION in -tls1_2 -tls1_3; do
  (sleep 0.3; printf 'GET /result HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n'; sleep 0.3) |
    timeout 10 openssl s_client $VERSION -ign_eof -sess_out "$W/session$VERSION" -connect "localhost:$PORT" \
    -CAfile "$W/issuer/ca.pem" >/dev/null 2>&1
done
check "no ticket for a session of TLS 1.2" "$(openssl sess_id -in "$W/session-tls1_2" -noout -text 2>/dev/null | grep -c 'TLS session ticket:')" 0
check "a ticket for a session of TLS 1.3" "$(openssl sess_id -in "$W/session-tls1_3" -noout -text 2>/dev/null | grep -c 'TLS session ticket:')" 1
rm -f "$W/session-tls1_2" "$W/session-tls1_3"

wait $SILENT
check "a client that begins no TLS is sent away soon" "$((SECONDS - BEGIN < 18))" 1

check "TLS 1.3" "$(status --tlsv1.3 "$ORIGIN/result")" 200
check "TLS 1.2" "$(status --tls-max 1.2 "$ORIGIN/result")" 200
"${CURL[@]}" --tls-max 1.1 --ciphers DEFAULT:@SECLEVEL=0 "$ORIGIN/result" >/dev/null 2>"$W/err"
check "TLS 1.1 is refused" $? 35
contains "TLS 1.1 is refused by the server" "$(cat "$W/err")" "alert protocol version"
curl -sS --max-time 20 "$ORIGIN/result" >/dev/null 2>&1
check "its certificate is not trusted without ca.pem" $? 60
check "the address serves as well" "$(status "https://127.0.0.1:$PORT/result")" 200

check "whoami without certificate" "$(status "$ORIGIN/whoami")" 403
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Mallory -days 1 \
  -keyout "$W/mallory.key" -out "$W/mallory.pem" 2>/dev/null
check "whoami with a stranger's certificate" "$(status --cert "$W/mallory.pem" --key "$W/mallory.key" "$ORIGIN/whoami")" 403
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Ghost -keyout "$W/ghost.key" 2>/dev/null |
  openssl x509 -req -CA "$W/issuer/credential-ca.pem" -CAkey "$W/own-ca.key" -CAcreateserial \
    -CAserial "$W/serial" -days 1 -out "$W/ghost.pem" 2>/dev/null
contains "whoami with a certificate that is not in the records" \
  "$("${CURL[@]}" --cert "$W/ghost.pem" --key "$W/ghost.key" "$ORIGIN/whoami")" "not in the records"

# A request whose last part arrives after SIGTERM is still answered.
{ printf 'POST /keygen2 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n'
  sleep 1; printf '{}'; sleep 1; } |
  openssl s_client -quiet -connect "localhost:$PORT" -CAfile "$W/issuer/ca.pem" >"$W/late" 2>/dev/null &
LATE=$!
sleep 0.5
stop
wait $LATE
contains "a request in flight is finished" "$(cat "$W/late")" "302 Found"
contains "and told that the connection ends" "$(cat "$W/late")" "Connection: close"

OTHER=$(free_port)
start --listen "127.0.0.1:$OTHER" || exit 1
check "listens elsewhere when asked" "$(status --connect-to "localhost:$PORT:127.0.0.1:$OTHER" "$ORIGIN/result")" 200
stop

SECRET=$(printf %s "$INIT" | sed 's/.*ticket=//')
check "no ticket in the log" "$(grep -c -- "$SECRET" "$W/serve.err")" 0
exit $FAILED
