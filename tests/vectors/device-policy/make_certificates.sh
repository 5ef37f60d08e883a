#!/bin/sh
# Makes the certificates and revocation lists of this folder with the openssl command line. Run in an empty folder.
set -eu

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve -out "$1.key"; }

# conf CA: every authority counts its own certificates.
conf() {
  cat > "$1.cnf" <<CNF
[ca]
default_ca = c
[c]
database = $1.index
new_certs_dir = .
rand_serial = yes
crlnumber = $1.crlnumber
default_md = sha256
policy = p
unique_subject = no
copy_extensions = none
[p]
organizationName = optional
organizationalUnitName = optional
commonName = supplied
[v_ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
[v_device]
basicConstraints = CA:false
[v_phone]
basicConstraints = CA:false
extendedKeyUsage = 1.3.6.1.4.1.99999.1
1.3.6.1.4.1.99999.2 = ASN1:UTF8String:model 7
CNF
  : > "$1.index"
  echo 01 > "$1.crlnumber"
}
# issue NAME SUBJECT EXTENSIONS ISSUER START END
issue() {
  key "$1"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  openssl ca -config "$4.cnf" -batch -notext -in "$1.csr" -out "$1.pem" -extensions "$3" -cert "$4.pem" \
    -keyfile "$4.key" -startdate "$5" -enddate "$6" 2>/dev/null
}
self() {
  conf "$1"
  key "$1"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  openssl ca -config "$1.cnf" -batch -notext -selfsign -in "$1.csr" -out "$1.pem" -extensions v_ca \
    -keyfile "$1.key" -startdate 20200101000000Z -enddate 20491231235959Z 2>/dev/null
}
# list NAME ISSUER LAST NEXT
list() {
  openssl ca -config "$2.cnf" -gencrl -cert "$2.pem" -keyfile "$2.key" -crl_lastupdate "$3" -crl_nextupdate "$4" \
    -out "$1.crl" 2>/dev/null
}
revoke() { openssl ca -config "$2.cnf" -revoke "$1.pem" -cert "$2.pem" -keyfile "$2.key" 2>/dev/null; }

FROM=20200101000000Z
TO=20491231235959Z
JAN=20250101000000Z
FEB=20250201000000Z

self root "/O=Vendor/CN=Vendor Root"
self other_root "/O=Other/CN=Other Root"
conf intermediate
issue intermediate "/O=Vendor/CN=Vendor Devices" v_ca root $FROM $TO
conf fallen
issue fallen "/O=Vendor/CN=Vendor Fallen" v_ca root $FROM $TO
# Has the name of the intermediate, and another key.
conf forger
issue forger "/O=Vendor/CN=Vendor Devices" v_ca root $FROM $TO

issue device "/O=Vendor/OU=Phones/CN=Phone 1" v_phone intermediate $FROM $TO
issue tablet "/O=Vendor/OU=Tablets/CN=Tablet 1" v_device intermediate $FROM $TO
issue lost "/O=Vendor/OU=Phones/CN=Phone 2" v_phone intermediate $FROM $TO
issue expired "/O=Vendor/OU=Phones/CN=Phone 3" v_phone intermediate $FROM 20240101000000Z
issue direct "/O=Vendor/OU=Phones/CN=Phone 4" v_phone root $FROM $TO
issue under_fallen "/O=Vendor/OU=Phones/CN=Phone 5" v_phone fallen $FROM $TO
issue stranger "/O=Other/CN=Stranger" v_device other_root $FROM $TO

list root root $JAN $FEB
revoke lost intermediate
list intermediate intermediate $JAN $FEB
list fallen fallen $JAN $FEB
list expired intermediate 20240101000000Z 20240201000000Z
list future intermediate 20260101000000Z 20260201000000Z
list forged forger $JAN $FEB
revoke fallen root
list root_without_fallen root $JAN $FEB
openssl crl -in intermediate.crl -outform DER -out intermediate.der.crl
rm -f -- *.key *.csr *.index* *.crlnumber* *.cnf ??????????????????????????????????????????.pem [0-9A-F]*[0-9A-F].pem
