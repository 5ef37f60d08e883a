#!/usr/bin/env bash
# A signature profile from the issuer's file to the key store of the real client, and back out of the REST API.
#
# usage: https_test.sh SKS_ISSUER SKS
set -u
ISSUER=$1
SKS=$2
W=$(mktemp -d)
SERVER=
. "$(dirname "$0")/../../support/equality.sh"
trap 'test -n "$SERVER" && kill "$SERVER" 2>/dev/null; rm -rf "$W"' EXIT
unset https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY
TYPE=urn:sks:ext:signature-profile
URI=mss:bank.example:approve-payment:high:qscd

PORT=$(free_port)
ORIGIN=https://localhost:$PORT
"$ISSUER" init --dir "$W/issuer" --url "$ORIGIN/keygen2" --device-trust open >/dev/null || exit 1
sed -i "s/friendly_name = \"Signature key\"/&\n  signature_profile = \"$URI\"/" "$W/issuer/profiles/pair.toml"
"$ISSUER" serve --dir "$W/issuer" >"$W/serve.out" 2>"$W/serve.err" &
SERVER=$!
for _ in $(seq 2400); do
  grep -q listening "$W/serve.out" && break
  kill -0 $SERVER 2>/dev/null || { cat "$W/serve.err"; exit 1; }
  sleep 0.05
done
"$SKS" --store "$W/store" init >/dev/null || exit 1
link=$("$ISSUER" ticket --dir "$W/issuer" --profile pair --subject 'CN=Jo Doe,O=Example') || exit 1
"$SKS" --store "$W/store" enroll --yes --pin 246810 --ca-file "$W/issuer/ca.pem" "$link" >"$W/out" 2>"$W/err"
check "the enrolment" $? 0

handle=$("$SKS" --store "$W/store" list --json |
  python3 -c 'import json, sys; print([k["handle"] for k in json.load(sys.stdin) if k["appUsage"] == "signature"][0])')
check "the extension on the device" "$("$SKS" --store "$W/store" show "$handle" --extension $TYPE)" "$URI"

api() { # api TOKEN QUERY
  curl -sS --max-time 120 --cacert "$W/issuer/ca.pem" -H "Authorization: Bearer $1" -w '\n%{http_code}' \
    "$ORIGIN/api/v1/signature-profiles$2"
}
token() { "$ISSUER" account add --dir "$W/issuer" --name "the-$1" --roles "$1" --token; }
HELPDESK=$(token helpdesk) || exit 1
OPERATOR=$(token operator) || exit 1
api "$HELPDESK" "?user=CN%3DJo%20Doe%2CO%3DExample" >"$W/answer"
check "the status of the answer" "$(tail -1 "$W/answer")" 200
FINGERPRINT=$(head -1 "$W/answer" | python3 -c 'import json, sys; print(json.load(sys.stdin)["rows"][0]["credential"])')
"$SKS" --store "$W/store" show "$handle" --json >"$W/shown"
check "the profile, in its parts" "$(head -1 "$W/answer" |
  python3 -c 'import json, sys; d = json.load(sys.stdin); r = d["rows"][0]
print(len(d["rows"]), d["next"] == "", r["uri"], r["service"], r["operation"], r["loa"], r["sscd"], r["status"])')" \
  "1 True $URI bank.example approve-payment high qscd issued"
contains "it is that of the certificate on the device" "$(tr -d ' \n:' <"$W/shown")" "$FINGERPRINT"
check "another user" "$(api "$HELPDESK" "?user=CN%3DMo" | head -1)" '{"rows":[],"next":""}'
check "a role that may not" "$(api "$OPERATOR" "?user=CN%3DMo" | tail -1)" 403
check "nobody" "$(api "none" "?user=CN%3DMo" | tail -1)" 401
check "no user" "$(api "$HELPDESK" "" | tail -1)" 400
check "an unknown parameter" "$(api "$HELPDESK" "?user=CN%3DMo&colour=red" | tail -1)" 400
"$ISSUER" revoke --dir "$W/issuer" --fingerprint "$FINGERPRINT" >/dev/null || exit 1
check "after the revocation" "$(api "$HELPDESK" "?user=CN%3DJo%20Doe%2CO%3DExample" | head -1)" '{"rows":[],"next":""}'
contains "but among all" "$(api "$HELPDESK" "?user=CN%3DJo%20Doe%2CO%3DExample&status=any")" '"status":"revoked"'
exit $FAILED
