#!/usr/bin/env bash
# What is known about a subject, from `sks-issuer ticket --data` over the real client to the certificate, as the openssl
# command line reads it; and data that cannot stand there, each refused with one sentence.
#
# usage: ticket_data_https_test.sh SKS_ISSUER SKS
set -u
ISSUER=$1
SKS=$2
W=$(mktemp -d)
SERVER=
. "$(dirname "$0")/../../support/equality.sh"
trap 'test -n "$SERVER" && kill "$SERVER" 2>/dev/null; rm -rf "$W"' EXIT
unset https_proxy HTTPS_PROXY all_proxy ALL_PROXY no_proxy NO_PROXY

PORT=$(free_port)
"$ISSUER" init --dir "$W/issuer" --url "https://localhost:$PORT/keygen2" --device-trust open >/dev/null || exit 1
PROFILE=$W/issuer/profiles/staff.toml
# The lines of the default profile that speak of the data, as they stand there.
sed -e 's/^# \(subject = "CN={cn},O=Example,emailAddress={email?}"\)$/\1/' -e 's/^# \(alternative_names = .*\)$/\1/' \
  "$W/issuer/profiles/default.toml" >"$PROFILE"
check "the profile uses data" "$(grep -cE '^(subject|alternative_names) = ' "$PROFILE")" 2
printf 'user,cn,id\njo,Jo Doe,17\n' >"$W/issuer/people.csv"
sed -i 's/^# \(\[directory\]\|file = "people.csv"\)$/\1/' "$W/issuer/issuer.toml"
sed 's/^# from_directory = false/from_directory = true/' "$PROFILE" >"$W/issuer/profiles/listed.toml"
check "a profile asks the directory" "$(grep -c '^from_directory = true' "$W/issuer/profiles/listed.toml")" 1
"$ISSUER" serve --dir "$W/issuer" >"$W/serve.out" 2>"$W/serve.err" &
SERVER=$!
for _ in $(seq 2400); do
  grep -q listening "$W/serve.out" && break
  kill -0 $SERVER 2>/dev/null || { cat "$W/serve.err"; exit 1; }
  sleep 0.05
done

rows() { sqlite3 -cmd '.timeout 60000' "$W/issuer/issuer.db" "SELECT $1"; }
enrol() { # enrol NAME PROFILE DATA: leaves the certificate in $W/NAME.pem
  local link
  link=$("$ISSUER" ticket --dir "$W/issuer" --profile "$2" --data "$3") || exit 1
  "$SKS" --store "$W/$1" init >/dev/null || exit 1
  "$SKS" --store "$W/$1" enroll --yes --pin 246810 --ca-file "$W/issuer/ca.pem" "$link" >"$W/out" 2>"$W/err"
  check "$1: the enrolment" $? 0
  "$SKS" --store "$W/$1" export 1 >"$W/$1.pem" 2>"$W/err" || cat "$W/err"
}
subject() { openssl x509 -in "$W/$1.pem" -noout -subject -nameopt sep_multiline,utf8,esc_ctrl,sname; }
alternatives() { openssl x509 -in "$W/$1.pem" -noout -ext subjectAltName | tail -n +2 | sed 's/^ *//'; }

# Signs that mean something in names, in shells and in SQL; letters of more than one byte.
enrol plain staff '{"cn": "Žofie \"Z\" O'\''Hara, O=Evil+CN=root", "email": "zofie@example.org", "id": "17", "upn": "zofie@corp.example"}'
check "the subject" "$(subject plain)" "$(printf '%s\n' 'subject=' "    CN=Žofie \"Z\" O'Hara, O=Evil+CN=root" '    O=Example' \
  '    emailAddress=zofie@example.org')"
contains "the e-mail address" "$(alternatives plain)" "email:zofie@example.org"
contains "the URI" "$(alternatives plain)" "URI:urn:employee:17"
contains "the name of the system's user" "$(alternatives plain)" "othername: UPN::zofie@corp.example"
check "it was issued below the credential CA" \
  "$(openssl verify -CAfile "$W/issuer/credential-ca.pem" "$W/plain.pem" 2>&1)" "$W/plain.pem: OK"

echo '{"cn": "Jo Doe", "email": "jo@example.org", "id": "18"}' >"$W/data"
enrol file staff "$W/data"
check "the subject, of a file" "$(subject file)" \
  "$(printf '%s\n' 'subject=' '    CN=Jo Doe' '    O=Example' '    emailAddress=jo@example.org')"
check "what may be missing is left out" "$(alternatives file)" "email:jo@example.org, URI:urn:employee:18"

enrol listed listed '{"user": "jo", "email": "jo@example.com"}'
check "the subject, of data and directory" "$(subject listed)" \
  "$(printf '%s\n' 'subject=' '    CN=Jo Doe' '    O=Example' '    emailAddress=jo@example.com')"
check "alternative names of both" "$(alternatives listed)" "email:jo@example.com, URI:urn:employee:17"

TICKETS=$(rows 'count(*) FROM tickets')
check "a ticket for each of them" "$TICKETS" 3
refused() { # refused DESCRIPTION SENTENCE PROFILE DATA...: one line on stderr, nothing on stdout, no ticket
  local what=$1 sentence=$2 profile=$3
  shift 3
  "$ISSUER" ticket --dir "$W/issuer" --profile "$profile" --data "$@" >"$W/out" 2>"$W/err"
  check "$what: exit code" $? 1
  check "$what: nothing on stdout" "$(cat "$W/out")" ""
  check "$what: the sentence" "$(cat "$W/err")" "sks-issuer: $sentence"
}
begins() { # begins DESCRIPTION BEGIN DATA: as refused, where the parser says the rest
  "$ISSUER" ticket --dir "$W/issuer" --profile staff --data "$3" >"$W/out" 2>"$W/err"
  check "$1: exit code" $? 1
  check "$1: nothing on stdout" "$(cat "$W/out")" ""
  check "$1: lines on stderr" "$(wc -l <"$W/err")" 1
  check "$1: the sentence begins" "$(cut -c "-$((12 + ${#2}))" "$W/err")" "sks-issuer: $2"
}
VALUE='must be 1 to 1000 bytes without control characters'
refused "what the profile needs is missing" 'the subject: "cn" is not known of the subject' staff '{"id": "1", "email": "a@b.example"}'
refused "an empty value" "\"cn\" in the data $VALUE" staff '{"cn": "", "id": "1", "email": "a@b.example"}'
refused "a line feed in a value" "\"cn\" in the data $VALUE" staff '{"cn": "a\nb", "id": "1", "email": "a@b.example"}'
refused "a value that is too long" "\"cn\" in the data $VALUE" staff "{\"cn\": \"$(printf 'x%.0s' $(seq 1001))\"}"
refused "a name with a blank" "a name in the data has 1 to 64 characters: letters, digits, '-', '_' and '.'" staff '{"c n": "x"}'
refused "a subject beside the data" 'profile staff makes the subject of the data: leave it out' staff '{"cn": "Jo"}' --subject CN=Jo
refused "a user that is not known" 'the directory knows no user "max"' listed '{"user": "max"}'
refused "no user" 'the data must name the "user" in the directory for profile listed' listed '{"cn": "Jo"}'
refused "another word than the directory's" 'the data says something else than the directory about "cn"' listed \
  '{"user": "jo", "cn": "Mo"}'
refused "a file that is not there" "cannot read $W/absent: No such file or directory" staff "$W/absent"
begins "no JSON" "the data is not a JSON object: " '{"cn": "Jo"'
begins "something behind it" "the data is not a JSON object: " '{"cn": "Jo"} x'
begins "a name twice" "the data is not a JSON object: " '{"cn": "Jo", "cn": "Mo"}'
begins "a number" "the data: " '{"cn": 1}'
begins "a list" "the data: " '{"cn": ["Jo"]}'
echo '["Jo"]' >"$W/data"
begins "no object" "the data is not a JSON object: " "$W/data"
: >"$W/data"
refused "a file that is empty" "$W/data holds no data: it must be a JSON object" staff "$W/data"
head -c 20000 /dev/zero | tr '\0' ' ' >"$W/data"
echo '{"cn": "Jo"}' >>"$W/data"
begins "a file that is too long" "the data is not a JSON object: " "$W/data"
check "no ticket was made" "$(rows 'count(*) FROM tickets')" "$TICKETS"
exit $FAILED
