#!/bin/bash
# Java: keytool, jarsigner and programs through the provider SunPKCS11.
. "$(dirname "$0")/common.sh"
JAVA=$(find /usr/lib/jvm -maxdepth 1 -name 'java-17-openjdk-*' -print -quit)
[ -n "$JAVA" ] || JAVA=$(dirname "$(dirname "$(readlink -f "$(command -v keytool || echo /none/none/none)")")")
PATH=$JAVA/bin:$PATH
needs java keytool jarsigner jar
SLOT=$(tool -L 2>/dev/null | awk -v token="$TOKEN" '/^Slot/{slot=$3} /token label/{sub(/^[^:]*: */, ""); if ($0 == token) {gsub(/[()]/, "", slot); sub(/:.*/, "", slot); print slot; exit}}')
printf 'name = tested\nlibrary = %s\nslot = %d\n' "$MODULE" "$SLOT" >tested.cfg
java_tool() { # PROGRAM OPTION...
  local program=$1
  shift
  timeout 120 "$program" "$@" -keystore NONE -storetype PKCS11 -storepass "$PIN" -providerClass sun.security.pkcs11.SunPKCS11 \
    -providerArg "$W/tested.cfg"
}
check_says "keytool -list: EC" "ecuser, .*PrivateKeyEntry" java_tool keytool -list
check_says "keytool -list: RSA" "rsauser, .*PrivateKeyEntry" java_tool keytool -list
for key in ec rsa; do
  check "keytool -exportcert $key" java_tool keytool -exportcert -rfc -alias ${key}user -file exported.pem
  check "  it is the right one" bash -c "openssl x509 -in exported.pem | cmp - <(openssl x509 -in $key.pem)"
  check "keytool -certreq $key" java_tool keytool -certreq -alias ${key}user -file request
  check "  its signature holds" bash -c 'sed "s/ NEW / /" request | openssl req -verify -noout'
  echo "something to sign" >content
  rm -f signed.jar
  jar --create --file signed.jar content
  timeout 120 jarsigner -keystore NONE -storetype PKCS11 -storepass "$PIN" -providerClass sun.security.pkcs11.SunPKCS11 \
    -providerArg "$W/tested.cfg" signed.jar ${key}user >jarsigner.log 2>&1
  check_says "jarsigner with $key" "jar signed" cat jarsigner.log
  check_says "  jarsigner -verify" "jar verified" timeout 120 jarsigner -verify signed.jar
  mkdir -p unpacked
  (cd unpacked && rm -rf META-INF && jar --extract --file ../signed.jar)
  check "  and openssl verifies it" bash -c "openssl cms -verify -inform DER -in unpacked/META-INF/*.${key^^} -content unpacked/META-INF/*.SF -CAfile ca.pem -purpose any -binary"
done
cp "$HERE/TokenUser.java" .
for key in ec rsa; do
  for version in TLSv1.2 TLSv1.3; do
    start_tls_server
    check_says "$version with $key" "CN *= *${key}user" timeout 120 java TokenUser.java tls tested.cfg "$PIN" ca.pem "$PORT" ${key}user $version
  done
done
check_says "signatures, verified by the JDK" "all signatures verified" timeout 120 java TokenUser.java sign tested.cfg "$PIN"
check_says "RSA decryption" "decrypted" timeout 120 java TokenUser.java decrypt tested.cfg "$PIN"
check_says "wrong PIN" "CKR_PIN_INCORRECT|FailedLoginException" timeout 120 java TokenUser.java sign tested.cfg 999999
check "right PIN afterwards" java_tool keytool -list
check "keytool -genkeypair in the token" java_tool keytool -genkeypair -alias javamade -keyalg EC -groupname secp256r1 -dname CN=javamade
check_says "  it is there" "javamade, .*PrivateKeyEntry" java_tool keytool -list
check "  keytool -delete" java_tool keytool -delete -alias javamade
exercised "Java (keytool, jarsigner, SunPKCS11)" "$(java -version 2>&1 | sed -n 's/.*version "\([^"]*\)".*/\1/p')" "listing, export, requests, signed JARs, TLS client with 1.2 and 1.3, signatures, RSA decryption, generation"
