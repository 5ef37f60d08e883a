#!/bin/sh
# Makes the certificates of this folder with the openssl command line. Run in an empty folder.
set -eu

cat > search.cnf <<'CNF'
[req]
prompt = no
distinguished_name = unused
[unused]
CN = unused

[v_root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
certificatePolicies = 2.5.29.32.0

[v_intermediate]
basicConstraints = critical,CA:true
keyUsage = keyCertSign
extendedKeyUsage = clientAuth
certificatePolicies = 1.3.6.1.4.1.99999.7
subjectAltName = email:ca@example.org

[v_person]
keyUsage = critical,digitalSignature,keyAgreement,decipherOnly
extendedKeyUsage = clientAuth,emailProtection,1.3.6.1.4.1.311.20.2.2
certificatePolicies = 2.5.29.32.0,1.3.6.1.4.1.99999.1,2.23.140.1.2.1
subjectAltName = email:jo.doe@example.org,DNS:example.org,email:JO@EXAMPLE.ORG,URI:mailto:no@example.org

[v_bare]

[v_nameless]
subjectAltName = critical,email:nobody@example.org

[v_broken]
2.5.29.15 = DER:05:00
2.5.29.37 = DER:05:00
2.5.29.32 = DER:05:00
2.5.29.17 = DER:05:00
CNF

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve -out "$1.key"; }

# issue NAME EXTENSIONS ISSUER SERIAL SUBJECT
issue() {
  key "$1"
  openssl req -new -config search.cnf -utf8 -key "$1.key" -subj "$5" -out "$1.csr"
  signer="-CA $3.pem -CAkey $3.key"
  [ "$1" != "$3" ] || signer="-signkey $1.key"
  # shellcheck disable=SC2086 # a list of words
  openssl x509 -req -in "$1.csr" -out "$1.pem" $signer -set_serial "$4" -extfile search.cnf -extensions "$2" -days 8400
}

issue root v_root root 1 '/C=SE/O=Åre \+ Söner/CN=Root'
issue intermediate v_intermediate root 0x0A00 '/DC=org/DC=example/O=Middle, Inc./CN=CA 1'
issue person v_person intermediate 0x8000000000000000000000000000000001 \
  '/C=SE/O=Example/OU=Sales+CN=Jo #1/serialNumber=19700101-1234/UID=jo/emailAddress=jo@example.org'
# Two e-mail addresses, the first one not alone; a title, which has no keyword.
issue paired v_bare root 0x7F '/title=Dr/CN=Jo+emailAddress=first@example.org/emailAddress=second@example.org'
issue broken v_broken root 0x80 '/CN= two  spaces '
# No subject, and a negative serial number.
issue nameless v_nameless root -5 /
