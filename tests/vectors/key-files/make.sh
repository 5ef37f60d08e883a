#!/usr/bin/env bash
# Makes the files of this folder, but for those of RFCs, with the command lines of OpenSSL, OpenSSH and Java's keytool.
set -euo pipefail
cd "$(dirname "$0")"
export PASS=Correct-Horse-1

new() { openssl genpkey -out "$@"; }
new ec.pem -algorithm EC -pkeyopt ec_paramgen_curve:P-256
new ec2.pem -algorithm EC -pkeyopt ec_paramgen_curve:P-384
new rsa.pem -algorithm RSA -pkeyopt rsa_keygen_bits:2048
new ed25519.pem -algorithm ED25519
new ed448.pem -algorithm ED448
new x25519.pem -algorithm X25519
for name in ec ec2 rsa ed25519 ed448 x25519; do openssl pkey -in $name.pem -pubout -outform DER -out $name.spki; done

# Kinds of keys that no key store holds.
openssl genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024 -out dsa.param
new dsa.pem -paramfile dsa.param
openssl pkey -in dsa.pem -traditional -out dsa-traditional.pem
rm dsa.param
new p224.pem -algorithm EC -pkeyopt ec_paramgen_curve:P-224
new rsa512.pem -algorithm RSA -pkeyopt rsa_keygen_bits:512

# A root, an authority below it, and certificates of the latter.
new root.key -algorithm EC -pkeyopt ec_paramgen_curve:P-256
new authority.key -algorithm EC -pkeyopt ec_paramgen_curve:P-256
openssl req -x509 -new -key root.key -subj "/CN=Root" -days 36500 -out root.crt
certify() { # name, subject, options of openssl x509
  openssl req -new -key "$1" -subj "/CN=$2" | openssl x509 -req -days 36500 -CAcreateserial "${@:4}" -out "$3"
  rm -f ./*.srl
}
certify authority.key Authority authority.crt -CA root.crt -CAkey root.key -extfile <(echo basicConstraints=critical,CA:TRUE)
echo basicConstraints=CA:FALSE >leaf.ext
leaf="-CA authority.crt -CAkey authority.key -extfile leaf.ext"
for name in ec ec2 rsa ed25519; do
  # shellcheck disable=SC2086 # options
  certify $name.pem "Owner of $name" $name.crt $leaf
done
rm leaf.ext

# PKCS#8, plain and encrypted.
openssl pkcs8 -topk8 -nocrypt -in ec.pem -outform DER -out ec.p8
openssl pkcs8 -topk8 -in ec.pem -passout env:PASS -v2 aes-256-cbc -out ec-pbkdf2.pem
openssl pkcs8 -topk8 -in ec.pem -passout env:PASS -v2 aes-256-cbc -outform DER -out ec-pbkdf2.p8
openssl pkcs8 -topk8 -in ec.pem -passout env:PASS -scrypt -out ec-scrypt.pem
openssl pkcs8 -topk8 -in ec.pem -passout env:PASS -v1 PBE-SHA1-3DES -out ec-3des.pem
openssl pkcs8 -topk8 -in ec.pem -passout env:PASS -v1 PBE-SHA1-RC2-40 -provider default -provider legacy -out ec-rc2.pem
# Traditional keys.
openssl rsa -in rsa.pem -traditional -out rsa-traditional.pem
openssl rsa -in rsa.pem -traditional -outform DER -out rsa-traditional.der
openssl rsa -in rsa.pem -traditional -aes128 -passout env:PASS -out rsa-traditional-aes.pem
openssl ec -in ec.pem -out ec-traditional.pem
openssl ec -in ec.pem -outform DER -out ec-traditional.der
openssl ec -in ec.pem -des3 -passout env:PASS -out ec-traditional-3des.pem

# PKCS#12.
cat authority.crt root.crt >chain.crt
openssl pkcs12 -export -inkey ec.pem -in ec.crt -certfile chain.crt -name "Jo's key" -passout env:PASS -out modern.p12
openssl pkcs12 -export -legacy -inkey ec.pem -in ec.crt -certfile chain.crt -name Legacy -passout env:PASS -out legacy.p12
openssl pkcs12 -export -inkey rsa.pem -in rsa.crt -passout pass: -out empty-passphrase.p12
openssl pkcs12 -export -nomac -keypbe NONE -certpbe NONE -inkey ec.pem -in ec.crt -passout pass: -out open.p12
openssl pkcs12 -export -inkey ec.pem -in ec.crt -name first -passout env:PASS -out two.p12
openssl pkcs12 -export -inkey rsa.pem -in rsa.crt -name second -passout env:PASS -out second.p12
keytool -importkeystore -srckeystore second.p12 -srcstoretype PKCS12 -srcstorepass "$PASS" \
  -destkeystore two.p12 -deststoretype PKCS12 -deststorepass "$PASS"
rm second.p12

# Certificates alone, and beside keys.
openssl x509 -in ec.crt -outform DER -out ec.cer
openssl crl2pkcs7 -nocrl -certfile ec.crt -certfile chain.crt -out chain.p7b
openssl crl2pkcs7 -nocrl -certfile ec.crt -certfile chain.crt -outform DER -out chain.p7c
cat root.crt ec2.crt authority.crt ec.crt ec2.pem ec.pem >bundle.pem
cat ec.pem chain.p7b >with-p7b.pem
cat ec.pem rsa.crt >mismatched.pem

# OpenSSH.
rm -f ssh-*
ssh-keygen -q -t rsa -b 2048 -N "" -C "rsa@example.com" -f ssh-rsa
ssh-keygen -q -t ecdsa -b 521 -N "" -C "ec@example.com" -f ssh-ecdsa
ssh-keygen -q -t ed25519 -N "" -C "ed@example.com" -f ssh-ed25519
ssh-keygen -q -t ed25519 -N "$PASS" -C "locked@example.com" -f ssh-locked
for cipher in aes128-cbc aes192-ctr aes256-ctr aes256-gcm chacha20-poly1305; do
  full=$cipher
  case $cipher in *-gcm | *-poly1305) full=$cipher@openssh.com ;; esac
  ssh-keygen -q -t ecdsa -b 256 -a 3 -Z $full -N "$PASS" -C "$cipher" -f ssh-$cipher
done
for name in rsa ecdsa aes128-cbc aes192-ctr aes256-ctr aes256-gcm; do
  ssh-keygen -e -m PKCS8 -f ssh-$name.pub | openssl pkey -pubin -outform DER -out ssh-$name.spki
done
rm ssh-*-*.pub ssh-rsa.pub ssh-ecdsa.pub ssh-locked.pub chain.crt root.key authority.key root.crt authority.crt ec2.crt
