#!/bin/bash
# NSS, which Firefox and Chromium are built on: modutil, certutil, cmsutil, TLS client and server.
. "$(dirname "$0")/common.sh"
needs modutil certutil cmsutil tstclnt selfserv pk12util
D=sql:$W/db
mkdir db
printf '%s\n' "$PIN" >pin
certutil -N -d "$D" --empty-password
certutil -A -d "$D" -n CA -t CT,C,C -i ca.pem
check "modutil -add" modutil -force -dbdir "$D" -add tested -libfile "$MODULE"
check_says "modutil -list" "$(printf %s "$TOKEN" | sed 's/[][().*^$+?{}|\\]/\\&/g')" modutil -dbdir "$D" -list tested
check_says "certutil -L" "ecuser" certutil -L -d "$D" -h "$TOKEN" -f pin
check_says "certutil -K" "rsa" certutil -K -d "$D" -h "$TOKEN" -f pin
connect() { echo Q | timeout 30 openssl s_client -connect "127.0.0.1:$PORT"; }
client() { # KEY VERSION
  timeout 30 tstclnt -A request-text -4 -h localhost -p "$PORT" -d "$D" -W pin -n "$TOKEN:${1}user" -V "$2:$2"
}
echo "to be signed" >data
printf 'GET / HTTP/1.0\r\n\r\n' >request-text
for key in ec rsa; do
  for version in tls1.2 tls1.3; do
    start_tls_server
    check_says "tstclnt $version with $key" "CN *= *${key}user" client $key $version
  done
  check "cmsutil -S with $key" cmsutil -S -d "$D" -f pin -N "$TOKEN:${key}user" -i data -o signed.cms -H SHA256
  check "  verified by openssl" openssl cms -verify -inform DER -in signed.cms -CAfile ca.pem -purpose any
  # selfserv of NSS 3.87 cannot take an RSA key of a certificate for clients.
  [ $key = rsa ] && continue
  PORT=$(free_port)
  background selfserv -d "$D" -n "$TOKEN:${key}user" -p "$PORT" -w "$PIN" >selfserv.log 2>&1
  wait_for listens "$PORT"
  check_says "selfserv with $key" "CN = ${key}user" connect
done
head -c 40 /dev/urandom >noise
check "certutil -R: a request with a key made in the token" certutil -R -d "$D" -h "$TOKEN" -f pin -s CN=made -k ec -q nistp256 -z noise -a -o request
check "  its signature holds" openssl req -in request -verify -noout
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout brought.key -x509 -days 30 -subj /CN=brought -out brought.pem 2>/dev/null
openssl pkcs12 -export -inkey brought.key -in brought.pem -out brought.p12 -passout pass:1234 -name brought
check "pk12util -i: a PKCS#12 into the token" pk12util -i brought.p12 -d "$D" -h "$TOKEN" -k pin -W 1234
check "modutil -delete" modutil -force -dbdir "$D" -delete tested
exercised "NSS (modutil, certutil, cmsutil, tstclnt, selfserv, pk12util)" "$(version_of libnss3-tools)" "registration, listing, TLS client with 1.2 and 1.3, TLS server, CMS signatures, request with a key made in the token, PKCS#12 import"
