#!/bin/bash
# gpgsm signs and decrypts with the RSA key of the token, through gnupg-pkcs11-scd in the place of GnuPG's scdaemon.
. "$(dirname "$0")/common.sh"
needs gpgsm gpg gpg-connect-agent gpgconf gnupg-pkcs11-scd
export GNUPGHOME=$W/gnupg
mkdir -m 700 "$GNUPGHOME"
printf 'providers tested\nprovider-tested-library %s\n' "$MODULE" >"$GNUPGHOME/gnupg-pkcs11-scd.conf"
cat >pinentry <<CONF
#!/bin/sh
echo "OK ready"
while read -r command rest; do
  case \$command in
    GETPIN) echo "D $PIN"; echo OK ;;
    BYE) echo OK; exit 0 ;;
    *) echo OK ;;
  esac
done
CONF
chmod 700 pinentry
printf 'scdaemon-program %s\npinentry-program %s\n' "$(command -v gnupg-pkcs11-scd)" "$W/pinentry" >"$GNUPGHOME/gpg-agent.conf"
stop_gnupg() { gpgconf --kill all 2>/dev/null; }
trap 'stop_gnupg; cleanup' EXIT
check_says "SCD LEARN" "KEYPAIRINFO|KEY-FRI" gpg-connect-agent 'SCD LEARN' /bye
check "gpg --card-status" gpg --batch --card-status
check "gpgsm --learn-card" gpgsm --batch --learn-card
gpgsm --batch --import ca.pem >/dev/null 2>&1
openssl x509 -in ca.pem -noout -fingerprint -sha1 | sed 's/.*=//;s/$/ S relax/' >"$GNUPGHOME/trustlist.txt"
check_says "gpgsm --list-secret-keys" "CN=rsauser" gpgsm --batch --list-secret-keys
echo "to be signed" >data
check "gpgsm --sign" gpgsm --batch --disable-crl-checks -u rsauser --output data.p7 --sign data
# gpgsm puts a zero before a signature whose first bit is set, also with other modules, which openssl does not take.
check "  verified by gpgsm" gpgsm --batch --disable-crl-checks --verify data.p7
check "gpgsm --encrypt" gpgsm --batch --yes --disable-crl-checks -r rsauser --output data.enc --encrypt data
check "gpgsm --decrypt" gpgsm --batch --yes --disable-crl-checks --output data.dec --decrypt data.enc
check "  the same text" cmp data data.dec
exercised "gpgsm through gnupg-pkcs11-scd" "$(version_of gpgsm), $(version_of gnupg-pkcs11-scd)" "learning the card, CMS signature and decryption (RSA)"
