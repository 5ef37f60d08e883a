#!/bin/bash
# Chromium logs in to a web server with a certificate of the token. Somebody who is not there types the PIN.
. "$(dirname "$0")/common.sh"
needs python3 chromium Xvfb xdotool certutil modutil
D=sql:$HOME/.pki/nssdb
mkdir -p "$HOME/.pki/nssdb"
certutil -N -d "$D" --empty-password
certutil -A -d "$D" -n CA -t CT,C,C -i ca.pem
check "modutil -add" modutil -force -dbdir "$D" -add tested -libfile "$MODULE"
POLICY=/etc/chromium/policies/managed/sks-clients-test-$$.json
trap 'rm -f "$POLICY"; cleanup' EXIT
mkdir -p "$(dirname "$POLICY")" || skip "the policies of Chromium cannot be written, and choosing a certificate needs one"

for DISPLAY_NUMBER in $(seq 90 120); do [ -e "/tmp/.X11-unix/X$DISPLAY_NUMBER" ] || break; done
export DISPLAY=:$DISPLAY_NUMBER
background Xvfb "$DISPLAY" -screen 0 1000x700x24 -nolisten tcp >xvfb.log 2>&1
wait_for xdotool getdisplaygeometry || { bad "Xvfb does not start"; cat xvfb.log; exit 1; }

# Types the PIN where a window asks for it, until the server has got a request of the user.
type_pin_until_logged_in() { # COMMON-NAME
  local second
  for second in $(seq 60); do
    sleep 1
    grep -aq "^request by $1" server.log && return 0
    xdotool search --name '.*' getwindowname %@ 2>/dev/null | sort -u >windows
    if grep -qiE 'sign in|security device|password|unlock' windows || [ $((second % 10)) = 9 ]; then
      xdotool type "$PIN"
      xdotool key Return
    fi
  done
  return 1
}
for key in ec rsa; do
  for port in "https://localhost" "https://localhost:*"; do
    printf '{\\"pattern\\":\\"%s\\",\\"filter\\":{\\"SUBJECT\\":{\\"CN\\":\\"%suser\\"}}}\n' "$port" $key
  done | sed 's/.*/"&"/' | paste -sd, | sed 's/.*/{"AutoSelectCertificateForUrls":[&]}/' >"$POLICY"
  start_server python3 "$HERE/tls_server.py" "$W"
  background chromium --no-sandbox --disable-gpu --no-first-run --user-data-dir="$W/profile-$key" --window-size=900,600 \
    --password-store=basic "https://localhost:$PORT/" >chromium.log 2>&1
  browser=$!
  if type_pin_until_logged_in ${key}user; then
    ok "login with $key"
  else
    cp windows log
    tail -5 server.log >>log
    bad "login with $key"
  fi
  kill "$browser" 2>/dev/null
  wait "$browser" 2>/dev/null
done
exercised "Chromium" "$(version_of chromium)" "login to a web server with a client certificate, EC and RSA, PIN typed into its dialog"
