#!/usr/bin/env bash
# Integrates the PKCS#11 module in an empty home folder, asks each application what it sees, and takes it back.
#
# usage: integrate_test.sh SKS MODULE
set -euo pipefail
sks=$1
module=$2

. "$(dirname "$0")/module_test.sh"
needs p11-kit modutil certutil ssh openssl gpg-connect-agent gnupg-pkcs11-scd

export HOME=$work/home XDG_CONFIG_HOME='' XDG_DATA_HOME='' XDG_RUNTIME_DIR=$work/run
unset GNUPGHOME OPENSSL_CONF SKS_STORE SKS_PERSONA
mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR"
integrate() { "$sks" integrate "$@" --module "$module"; }
refused() {
  local said
  if said=$(integrate "$@" 2>&1 >/dev/null); then fail "'integrate $*' was not refused"; fi
  [ "$(wc -l <<<"$said")" = 1 ] || fail "'integrate $*' says more than one line: $said"
  printf '%s' "$said"
}
state_of() {
  integrate --check --json 2>/dev/null | python3 -c '
import json, sys
print(next(row["state"] for row in json.load(sys.stdin)["integrations"] if row["name"] == sys.argv[1]))' "$1"
}
# Every file below the home folder, with its mode and content.
snapshot() { (cd "$HOME" && find . -type f ! -name '*.db' ! -name '*.kbx' ! -path '*/private-keys-v1.d/*' ! -path './.local/*' -printf '%m %p ' -exec sha256sum {} \; | sort); }

"$sks" init >/dev/null

# Nothing is there yet.
[[ $(refused --check) == *"nothing is integrated"* ]] || fail "an empty home passes --check"
[[ $(refused ssh --check) == *"ssh is not integrated"* ]] || fail "ssh passes --check"
[[ $(refused firefox) == *"start Firefox once"* ]] || fail "firefox without a profile"
[ "$(state_of firefox)" = notInstalled ] || fail "firefox without a profile has a state"

# The user has settings of their own, some of them odd.
mkdir -p -m 700 "$HOME/.ssh" "$HOME/.gnupg" "$HOME/.config/pkcs11/modules" "$HOME/.mozilla/firefox/a.default"
printf 'Host *\n  User jo' >"$HOME/.ssh/config" # no end of line
chmod 640 "$HOME/.ssh/config"
mkdir "$HOME/dotfiles"
printf '# mine\nmax-cache-ttl 60\n' >"$HOME/dotfiles/gpg-agent.conf"
ln -s ../dotfiles/gpg-agent.conf "$HOME/.gnupg/gpg-agent.conf"
printf 'module: other.so\n' >"$HOME/.config/pkcs11/modules/other.module"
mkdir -p "$HOME/.pki/nssdb"
certutil -N -d "sql:$HOME/.pki/nssdb" --empty-password
certutil -N -d "sql:$HOME/.mozilla/firefox/a.default" --empty-password
printf '[Profile0]\nName=a\nIsRelative=1\nPath=a.default\n\n[Profile1]\nName=new\nIsRelative=1\nPath=b.new\n' \
  >"$HOME/.mozilla/firefox/profiles.ini"
before=$(snapshot)

for name in p11-kit nss ssh openssl gnupg firefox chromium; do
  integrate "$name" >"$work/said" || fail "$name: $(cat "$work/said")"
  [ "$(state_of "$name")" = inPlace ] || fail "$name is not in place: $(integrate --check)"
  integrate "$name" --check >/dev/null || fail "$name does not pass --check"
  once=$(snapshot)
  integrate "$name" --json | python3 -c 'import json, sys; json.load(sys.stdin)["files"][0]["path"]'
  [ "$(snapshot)" = "$once" ] || fail "$name changes something when it is done again"
done
integrate --check >/dev/null || fail "what is in place does not pass --check"

# Each application sees it.
[ "$(id -u)" = 0 ] || p11-kit list-modules | grep -q 'libsks-pkcs11.so' || fail "p11-kit does not see it"
for database in "$HOME/.pki/nssdb" "$HOME/.mozilla/firefox/a.default"; do
  modutil -dbdir "sql:$database" -list 2>&1 | grep -q 'OpenSKS' || fail "NSS does not see it in $database"
done
ssh -T -G -F "$HOME/.ssh/config" example.com >"$work/ssh"
grep -qix "pkcs11provider $module" "$work/ssh" || fail "ssh does not see it"
grep -qx 'user jo' "$work/ssh" || fail "ssh has lost the user's own settings"
OPENSSL_CONF=$HOME/.config/sks/openssl.cnf openssl engine pkcs11 -t 2>&1 | grep -q 'available' ||
  fail "OpenSSL does not see it: $(OPENSSL_CONF=$HOME/.config/sks/openssl.cnf openssl engine pkcs11 -t 2>&1)"
# The agent's own scdaemon has its version.
scd=$(gpg-connect-agent 'SCD GETINFO version' /bye 2>/dev/null | sed -n 's/^D //p')
gpgconf --kill gpg-agent
[ -n "$scd" ] && [ "$scd" != "$(gpgconf --version | sed -n '1s/.* //p')" ] || fail "gpg-agent does not see it: '$scd'"
grep -qx "provider-sks-library $module" "$HOME/.gnupg/gnupg-pkcs11-scd.conf" || fail "gnupg-pkcs11-scd does not see it"
[ -L "$HOME/.gnupg/gpg-agent.conf" ] || fail "a symbolic link was replaced"
[ "$(stat -c %a "$HOME/.ssh/config")" = 640 ] || fail "a mode was changed"

# A module that is not there any more is noticed.
ln -s "$module" "$work/libsks-pkcs11.so"
"$sks" integrate ssh --module "$work/libsks-pkcs11.so" >/dev/null
[ "$(state_of ssh)" = outdated ] || fail "another module passes --check"
rm "$work/libsks-pkcs11.so"
"$sks" integrate ssh --check --module "$work/libsks-pkcs11.so" >/dev/null 2>&1 && fail "an absent module passes --check"
integrate ssh >/dev/null

# And back.
for name in p11-kit nss ssh openssl gnupg firefox chromium; do
  integrate "$name" --remove >/dev/null || fail "$name cannot be removed"
done
[ "$(snapshot)" = "$before" ] || fail "something stayed behind: $(diff <(echo "$before") <(snapshot))"

# What contradicts, or cannot be parsed, is left alone.
printf '\nPKCS11Provider /opt/other.so\n' >>"$HOME/.ssh/config"
printf 'scdaemon-program /opt/scd\n' >>"$HOME/.gnupg/gpg-agent.conf"
printf 'library=/opt/other.so\nnonsense\n' >"$HOME/.pki/nssdb/pkcs11.txt"
printf 'module: mine.so\n' >"$HOME/.config/pkcs11/modules/sks.module"
before=$(snapshot)
for name in ssh gnupg nss p11-kit; do refused "$name" >/dev/null; done
[ "$(snapshot)" = "$before" ] || fail "a refusal has changed something"
[[ $("$sks" integrate p11-kit --module /absent.so 2>&1) == *"the module is called libsks-pkcs11.so"* ]] || fail "any file is a module"
"$sks" integrate >/dev/null 2>&1 && fail "'sks integrate' alone does something"
exit 0
