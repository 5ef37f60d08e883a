#!/bin/bash
# Drives the sks-issuer program with the key of its credential CA in SoftHSM, and asks about certificates as a relying
# party does: from the token over the lists and answers that are served to what OpenSSL makes of them.
# usage: token_https_test.sh SKS_ISSUER
set -u
ISSUER=$1
MODULE=/usr/lib/softhsm/libsofthsm2.so
W=$(mktemp -d)
SERVER=
. "$(dirname "$0")/../support/equality.sh"
trap 'test -n "$SERVER" && kill "$SERVER" 2>/dev/null; rm -rf "$W"' EXIT

start() {
  : >"$W/serve.out"
  "$ISSUER" serve --dir "$W/issuer" >"$W/serve.out" 2>"$W/serve.err" &
  SERVER=$!
  for _ in $(seq 1200); do
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
  check "stops" $? 0
  SERVER=
}
get() { # get PATH: waits for a server that has it
  for _ in $(seq 1200); do
    curl -sSf --max-time 60 --cacert "$W/issuer/ca.pem" -o "$W/got" "$ORIGIN$1" 2>"$W/curl.err" && return 0
    sleep 0.05
  done
  cat "$W/curl.err"
  return 1
}

PORT=$(free_port)
ORIGIN=https://localhost:$PORT
mkdir "$W/tokens"
printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$W/tokens" >"$W/softhsm2.conf"
export SOFTHSM2_CONF=$W/softhsm2.conf
TOOL=(pkcs11-tool --module "$MODULE" --token-label issuer --login --pin 12345678)
softhsm2-util --init-token --free --label issuer --so-pin 0000 --pin 12345678 >/dev/null || exit 1
"${TOOL[@]}" --keypairgen --key-type EC:secp384r1 --label ca --id 01 >/dev/null 2>&1 || exit 1

"$ISSUER" init --dir "$W/issuer" --url "$ORIGIN/keygen2" --device-trust open >/dev/null || exit 1
OLD=$(openssl x509 -in "$W/issuer/credential-ca.pem" -noout -fingerprint -sha256)
(umask 077; echo 12345678 >"$W/issuer/keys/pin")
sed -i "s|^key = \"file\"|key = \"pkcs11\"\nmodule = \"$MODULE\"\ntoken_label = \"issuer\"\nkey_label = \"ca\"\npin_file = \"keys/pin\"|" \
  "$W/issuer/issuer.toml"
OPERATIONS=$(free_port)
sed -i "s|^# listen = \"127.0.0.1:9443\"|listen = \"127.0.0.1:$OPERATIONS\"|" "$W/issuer/issuer.toml"
check "seals the PIN" "$("$ISSUER" seal --dir "$W/issuer")" "$W/issuer/keys/pin sealed"
check "the PIN is not in its file" "$(grep -c 12345678 "$W/issuer/keys/pin")" 0
contains "takes the key of the token" "$("$ISSUER" renew credential-ca --new-key --dir "$W/issuer")" "with a new key"
POINT=$("${TOOL[@]}" --list-objects --type pubkey --label ca 2>/dev/null | sed -n 's/.*EC_POINT: *0461//p' | tr -d ' ')
contains "the authority's key is that of the token" \
  "$(openssl x509 -in "$W/issuer/credential-ca.pem" -noout -pubkey | openssl pkey -pubin -noout -text | tr -d ' :\n')" "${POINT:-none}"
check "clients trust the TLS CA, the old and the new authority" "$(grep -c 'BEGIN CERT' "$W/issuer/ca.pem")" 3
check "the old authority is kept as well" \
  "$(openssl storeutl -noout -text -certs "$W/issuer/credential-ca.pem" | grep -c 'Subject:')" 2
"$ISSUER" renew credential-ca --new-key --dir "$W/issuer" 2>"$W/err"
check "the same key is no new one: exit code" $? 1
contains "the same key is no new one" "$(cat "$W/err")" "is the one in use"
contains "the same key under another certificate" "$("$ISSUER" renew credential-ca --dir "$W/issuer")" "certificate"
check "then nothing is left of the one before" "$(grep -c 'BEGIN CERT' "$W/issuer/ca.pem")" 3

ID=$(openssl x509 -in "$W/issuer/credential-ca.pem" -noout -ext subjectKeyIdentifier | tail -1 | tr -d ' :' | tr A-F a-f)
start || exit 1
get "/crl/$ID.crl" || FAILED=1
contains "the list verifies" "$(openssl crl -inform DER -in "$W/got" -CAfile "$W/issuer/credential-ca.pem" -noout 2>&1)" "verify OK"
get "/ca/$ID.cer" || FAILED=1
check "the authority's certificate is served" "$(openssl x509 -inform DER -in "$W/got" -noout -fingerprint -sha256)" \
  "$(openssl x509 -in "$W/issuer/credential-ca.pem" -noout -fingerprint -sha256)"
openssl ocsp -issuer "$W/issuer/credential-ca.pem" -serial 1 -reqout "$W/request" >/dev/null 2>&1
curl -sS --max-time 60 --cacert "$W/issuer/ca.pem" -H 'Content-Type: application/ocsp-request' --data-binary "@$W/request" \
  -o "$W/response" "$ORIGIN/ocsp"
ANSWER=$(openssl ocsp -issuer "$W/issuer/credential-ca.pem" -serial 1 -no_nonce -reqin "$W/request" -respin "$W/response" \
  -CAfile "$W/issuer/credential-ca.pem" 2>&1)
contains "OCSP answers, signed for the token's key" "$ANSWER" "Response verify OK"
contains "and knows no such certificate" "$ANSWER" "1: unknown"
# The old authority goes on with its lists: its key is still there.
OLD_ID=$(openssl storeutl -noout -text -certs "$W/issuer/credential-ca.pem" | grep -A1 'Subject Key Identifier' | sed -n 5p | tr -d ' :' | tr A-F a-f)
get "/crl/$OLD_ID.crl" || FAILED=1

# Readiness looks for the key and signs nothing.
ready() { curl -sS --max-time 60 -o "$W/ready" -w '%{http_code}' "http://127.0.0.1:$OPERATIONS/readyz"; }
until_ready() { # until_ready STATUS: an answer may be some seconds old
  for _ in $(seq 1200); do
    [ "$(ready)" = "$1" ] && return 0
    sleep 0.05
  done
  return 1
}
signatures() {
  curl -sS --max-time 60 "http://127.0.0.1:$OPERATIONS/metrics" | sed -n 's/^sks_issuer_authority_sign_seconds_count //p'
}
problems() { jq -r '.checks[] | select(.ok | not) | .name + ": " + .reason' "$W/ready"; }
check "the server is ready with its token" "$(ready)" 200
SIGNATURES=$(signatures)
for _ in 1 2 3; do sleep 6; ready >/dev/null; done
check "and the token has not signed for that" "$(signatures)" "$SIGNATURES"
mv "$W/tokens" "$W/drawn"
mkdir "$W/tokens"
until_ready 503
check "a token that is away is in the way" "$(problems)" 'credential-ca-key: token "issuer" is not there'
rmdir "$W/tokens"
mv "$W/drawn" "$W/tokens"
until_ready 200
check "and no more when it is back" "$(problems)" ""
"${TOOL[@]}" --delete-object --type privkey --label ca >/dev/null 2>&1
until_ready 503
check "a token without the key is in the way" "$(problems)" 'credential-ca-key: token "issuer" holds no private key "ca"'
stop

# With another key under the same name it does not start: it could issue nothing.
"${TOOL[@]}" --delete-object --type pubkey --label ca >/dev/null 2>&1
"${TOOL[@]}" --keypairgen --key-type EC:secp384r1 --label ca --id 01 >/dev/null 2>&1 || exit 1
timeout 300 "$ISSUER" serve --dir "$W/issuer" >/dev/null 2>"$W/err"
check "another key in the token: exit code" $? 1
contains "another key in the token" "$(cat "$W/err")" "[authority] names does not fit credential-ca.pem"

# Without its token the server starts, and says what is missing.
rm -rf "$W/tokens"/*
start || exit 1
get "/crl/$ID.crl" && check "the list that was made before is still served" 0 0
curl -sS --max-time 60 --cacert "$W/issuer/ca.pem" -H 'Content-Type: application/ocsp-request' --data-binary "@$W/request" \
  -o "$W/response" "$ORIGIN/ocsp"
contains "OCSP asks to try later" "$(openssl ocsp -respin "$W/response" 2>&1)" "trylater"
contains "the log tells why" "$(cat "$W/serve.err")" 'reason="token \"issuer\" is not there"'
stop
exit $FAILED
