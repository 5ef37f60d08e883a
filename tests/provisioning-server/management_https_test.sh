#!/usr/bin/env bash
# The real client with the real server over HTTPS: capabilities that are required, keys that are deleted by a lookup.
#
# usage: management_https_test.sh SKS_ISSUER SKS
set -u
ISSUER=$1
SKS=$2
W=$(mktemp -d)
SERVER=
. "$(dirname "$0")/../support/equality.sh"
trap 'test -n "$SERVER" && kill "$SERVER" 2>/dev/null; rm -rf "$W"' EXIT
unset https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY

profile() { # profile NAME, tables on stdin: the default profile with them in front of its PIN policy
  cat >"$W/tables"
  sed "/^\[\[pin_policy\]\]/{
    e cat '$W/tables'
  }" "$W/issuer/profiles/default.toml" >"$W/issuer/profiles/$1.toml"
}
enroll() { # enroll PROFILE SUBJECT: for a ticket of its own
  local link
  link=$("$ISSUER" ticket --dir "$W/issuer" --profile "$1" --subject "$2") || exit 1
  "$SKS" --store "$W/store" enroll --yes --pin 246810 --ca-file "$W/issuer/ca.pem" "$link" >"$W/out" 2>"$W/err"
}
keys() { "$SKS" --store "$W/store" list --json | grep -c '"handle"'; }
others() { "$SKS" --store "$W/store" list --json | grep -c '"subject": .*CN=Mo Doe'; }

PORT=$(free_port)
"$SKS" --store "$W/store" init --certificate-file "$W/device.pem" >/dev/null || exit 1
"$ISSUER" init --dir "$W/issuer" --url "https://localhost:$PORT/keygen2" >/dev/null || exit 1
"$ISSUER" register --dir "$W/issuer" --certificate "$W/device.pem" >/dev/null || exit 1

profile demanding <<'TABLES'
[[capability]]
query = "biometric-support"
required = true

TABLES
profile renewal <<'TABLES'
[[capability]]
query = "ec.nist.p384"
required = true

[[lookup]]
action = "delete"
[lookup.filter]
subject_reg_ex = '.*CN=Jo Doe.*'
app_usage = "authentication"

TABLES
profile once <<'TABLES'
[[lookup]]
action = "refuse"

TABLES
profile broken <<'TABLES'
[[lookup]]
action = "renew"

TABLES

"$ISSUER" serve --dir "$W/issuer" >"$W/serve.out" 2>"$W/serve.err"
check "a profile with an unknown action: exit code" $? 1
contains "a profile with an unknown action: file and line" "$(cat "$W/serve.err")" "profiles/broken.toml:"
contains "a profile with an unknown action: the sentence" "$(cat "$W/serve.err")" \
  'action must be one of "ignore", "refuse", "delete", "unlock", "update"'
rm "$W/issuer/profiles/broken.toml"

"$ISSUER" serve --dir "$W/issuer" >"$W/serve.out" 2>"$W/serve.err" &
SERVER=$!
for _ in $(seq 200); do
  grep -q listening "$W/serve.out" && break
  kill -0 $SERVER 2>/dev/null || { cat "$W/serve.err"; exit 1; }
  sleep 0.05
done

enroll demanding 'CN=Jo Doe'
check "a capability that the client lacks: exit code" $? 1
contains "a capability that the client lacks: what the user reads" "$(cat "$W/err")" "reason=capability"
contains "a capability that the client lacks: what the operator reads" "$(cat "$W/serve.err")" \
  "the client does not support https://webpki.github.io/keygen2/feature#biometric-support"
check "no key" "$(keys)" 0

enroll renewal 'CN=Jo Doe,O=Example'
check "the first enrolment" $? 0
enroll default 'CN=Mo Doe'
check "an enrolment of somebody else on the same device" $? 0
check "two keys" "$(keys)" 2
check "one of them is somebody else's" "$(others)" 1
enroll renewal 'CN=Jo Doe,O=Example'
check "the second enrolment" $? 0
check "the key of the first one is gone" "$(keys)" 2
check "the other one stays" "$(others)" 1
enroll once 'CN=Jo Doe,O=Example'
check "a profile for those who have no key: exit code" $? 1
contains "a profile for those who have no key: what the user reads" "$(cat "$W/err")" "reason=existing-key"
enroll once 'CN=Lo Doe'
check "another subject has none" $? 0
check "three keys" "$(keys)" 3
exit $FAILED
