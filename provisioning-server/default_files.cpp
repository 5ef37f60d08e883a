#include "provisioning-server/default_files.h"

namespace sks::issuer {
namespace {

constexpr std::string_view kConfigHead =
    R"toml(# Configuration of this issuer. `sks-issuer serve` reads it at start and again on SIGHUP; `sks-issuer check` tells whether it
# holds. [server], [operations], plain_listen, connections, connections_per_address, requests_per_second_per_address,
# requests_per_connection and threads take effect at a start only; url, database and node cannot change while it serves.

# The main URL, byte for byte as keys will carry it. A change makes a different issuer; the TLS certificate must fit its host.
)toml";

constexpr std::string_view kConfigTrust = R"toml(
# Which devices may hold keys of this issuer:
#   "registered"  those whose certificate fingerprint stands in registered-devices (add with `sks-issuer register`)
#   "ca"          those whose certificate was issued by a CA that a [[device_ca]] below names
#   "open"        any device: nothing then proves where keys live
)toml";

constexpr std::string_view kConfigTail = R"toml(
# How long a ticket can be used after it was made.
ticket_minutes = 60
)toml";

constexpr std::string_view kConfigDatabase = R"toml(
# Where tickets, sessions, credentials and the audit log are kept:
#   "sqlite:FILE"                          one file; its name starts at this folder
#   "postgresql://USER@HOST:PORT/NAME"     PostgreSQL 15 or later, which several servers may share. No password here: libpq
#                                          finds it in ~/.pgpass, or the user is known by a certificate.
)toml";

constexpr std::string_view kConfigLimits = R"toml(
[audit]
# How the audit log names this server among those that share the database; the name of the host if not set.
# node = "issuer-1"
# A signed checkpoint says how long the chains of the audit log are: after so many entries, and after so many seconds.
checkpoint_entries = 1000
checkpoint_seconds = 60

[limits]
# New sessions in one second; more are asked to come back (429).
session_starts_per_second = 100
# Connections open at one time; more wait to be accepted.
connections = 1024
# Connections of one address (IPv6: of one /64); more are closed at once. 0: no limit, for when a load balancer hides the
# addresses of clients.
connections_per_address = 64
# Requests of one address in one second; more are asked to come back (429). 0: no limit.
requests_per_second_per_address = 1000
# Uses of one init URL in one minute. 0: no limit.
tries_per_minute_per_ticket = 30
# After so many requests a connection is closed, so that clients spread over the processes again.
requests_per_connection = 1000
# Threads for requests that wait in them, for the database or for the token of the CA: starts of sessions, management,
# administration. Most steps of a session need none.
threads = 16

# Where the key of the credential CA lives: keys/credential-ca.key, or a token behind PKCS#11.
[authority]
key = "file"
# key = "pkcs11"             # then `sks-issuer renew credential-ca --new-key` takes this key into use
# module = "/usr/lib/softhsm/libsofthsm2.so"
# token_label = "issuer"     # and/or token_serial
# key_label = "ca"           # and/or key_id, in hexadecimal
# pin_file = "keys/pin"      # leave it out for a token without PIN; `sks-issuer seal` seals it
# timeout_seconds = 10       # a token that is slower is taken for broken until it answers
# queue = 64                 # signatures that may wait for it

# How the world learns which certificates are revoked: lists at /crl/..., OCSP at /ocsp.
[revocation]
# true: certificates say where; a change counts for those issued afterwards.
addresses_in_certificates = true
# What these addresses begin with; without it the origin of the main URL. Many programs ask over plain HTTP only.
# base_url = "http://ca.example.com"
# An address for plain HTTP with these answers and nothing else.
# plain_listen = "127.0.0.1:8080"
# What is revoked within one interval comes with one list.
crl_interval_seconds = 60
# How long a list and an answer of OCSP count.
crl_hours = 24
ocsp_minutes = 60

# The certificate of this server.
[renewal]
# "automatic": when two thirds of its life are over; needs keys/tls-ca.key. "manual": by `sks-issuer renew tls`.
tls = "automatic"
# "keep" the key, or make a "new" one every time.
tls_key = "keep"
tls_days = 825

[server]
# Where to listen: "HOST", "HOST:PORT" or "[IPV6]:PORT". Without it on loopback, at the port of the main URL.
# listen = "0.0.0.0:8443"
# How long requests that have begun may take after SIGTERM.
drain_seconds = 10

# What people read on the page of a ticket's link.
[landing]
# Who issues the keys; the host of the main URL if not set.
# issuer_name = "Example Bank"
# Whom to ask when something goes wrong.
# help = "Service desk, +1 555 0100"

[operations]
# Where /metrics, /livez and /readyz answer, over plain HTTP: for loopback or a network of your own. Without it nowhere.
# listen = "127.0.0.1:9443"

# Who administers: accounts are made by `sks-issuer account`.
[access]
# How long a login at the console counts.
console_minutes = 480
# Refused logins of one address, and logins of one account, in one minute; more are asked to come back (429).
login_tries_per_minute = 30

[log]
# "text" or "json", one line per event on standard error.
format = "text"
# "debug", "info", "warning" or "error".
level = "info"
)toml";

constexpr std::string_view kAuthenticationKey = R"toml(
  # One key. The keys of a [[pin_policy]] follow it as [[pin_policy.key]]; a [[key]] of its own has no PIN.
  [[pin_policy.key]]
  # "signature", "authentication", "encryption" or "universal".
  app_usage = "authentication"
  # What is generated on the device: "ec.nist.p256", "ec.nist.p384", "ec.nist.p521", "rsa2048", "rsa3072", "rsa4096",
  # "ed25519", ... or the full URI of the algorithm.
  algorithm = "ec.nist.p256"
  # What the user sees; at most 100 characters.
  friendly_name = "Authentication key"
  # The only algorithms the key may be used with; leave it out to allow all that fit.
  # endorsed_algorithms = ["ecdsa-sha256"]
  # What the signatures of a signature key are for: service, operation, level of assurance, kind of device.
  # signature_profile = "mss:bank.example:approve-payment:high:qscd"
  # What it takes to export or delete the key: "none", "pin", "puk", and "non-exportable" or "non-deletable".
  export_protection = "non-exportable"
  delete_protection = "none"
  # What the key gets beside its certificate; files lie beside this one.
  # [[pin_policy.key.logotype]]
  # file = "logo.png"
  # media_type = "image/png"
  # [[pin_policy.key.property_bag]]
  # type = "https://example.com/account"
  # property = [{ name = "number", value = "{account}", writable = false }]
  # [[pin_policy.key.extension]]
  # type = "https://example.com/terms"
  # text = "..."             # or hex, or file
  # encrypted = false
)toml";

// Behind everything else: a table goes on to the next one.
constexpr std::string_view kConfigDirectory = R"toml(
# What is known about users, for profiles that make certificates of it: .csv (a line with the names of the columns, the first of
# them for the users) or .json ({"jo": {"cn": "Jo Doe"}}).
# [directory]
# file = "people.csv"
)toml";

constexpr std::string_view kConfigDeviceCa = R"toml(
# A CA of devices, and what it is trusted for; one such table for each, with device_trust = "ca" only.
%[[device_ca]]
%name = "device-ca"
# PEM, one certificate or more.
%file = "device-ca.pem"
# Which profiles its devices may use; without it all.
# profiles = ["default"]
# What the certificates of a device must match, as under [[lookup]] in a profile, and extensions that it must have.
# filter = { subject_reg_ex = '.*OU=Phones.*', extended_key_usage_rules = ["1.3.6.1.4.1.99999.1"] }
# required_extensions = ["1.3.6.1.4.1.99999.2"]
# Certificates between that of the device and the CA, at most.
# max_intermediates = 1
# Which certificates must be within their dates: "all", "authorities" (not that of the device) or "none".
# validity = "all"
# "required": a device is refused while no valid list says that it has not been withdrawn; needs crl. "if-available": only while a
# list says that it has been. "none": nobody looks.
%revocation = "none"
# Files with revocation lists; replace them as often as the CA does, they are read again at once.
# crl = ["device-ca.crl"]
)toml";

constexpr std::string_view kSignatureKey = R"toml(
  # A second key under the same PIN.
  [[pin_policy.key]]
  app_usage = "signature"
  algorithm = "rsa2048"
  friendly_name = "Signature key"
  # signature_profile = "mss:bank.example:approve-payment:high:qscd"
  export_protection = "non-exportable"
  delete_protection = "none"
)toml";

constexpr std::string_view kProfileCommon = R"toml(
# Seconds from the device's first answer until all keys must be certified; at most 32767.
session_life_time = 900

# true: the device stays anonymous, and nothing proves where the keys live. Only for issuers with device_trust = "open".
privacy_enabled = false

[certificate]
# Days that the certificates of the keys are valid.
validity_days = 730
# What they are for: "clientAuth" (logging in to TLS servers), "emailProtection", "documentSigning", "codeSigning",
# "smartcardLogon", or object identifiers.
extended_key_usage = ["clientAuth"]
# true: e-mail addresses in the subject are also put into the subject alternative name.
email_from_subject = false
# The subject, of what is known about it: `sks-issuer ticket --data '{"cn": "Jo Doe"}'`. {name?} may be missing. Without it the
# subject stands in the ticket.
# subject = "CN={cn},O=Example,emailAddress={email?}"
# true: the data of the ticket name the "user", and [directory] in issuer.toml tells the rest.
# from_directory = false
# alternative_names = { email = ["{email}"], upn = ["{upn?}"], uri = ["urn:employee:{id}"] }
# key_usage = { signature = ["digitalSignature", "nonRepudiation"] }
# policies = ["1.3.6.1.4.1.99999.1"]
# [[certificate.extension]]
# oid = "1.3.6.1.4.1.99999.2"
# critical = false
# value = "0500"             # DER, in hexadecimal

# How many credentials of this profile there may be, and how often a device may try.
# [limits]
# credentials_per_device = 1
# credentials_per_subject = 2
# sessions_per_device_and_hour = 10

# A PUK, drawn at random for every session, unlocks PINs after too many wrong tries. `sks-issuer puk` shows it.
# [puk_policy]
# format = "numeric"         # or "alphanumeric"
# length = 8
# retry_limit = 3            # 0: unlimited, with a delay

# What the device is asked first; the answers stand in the audit log. A query is the part behind the '#' of a URI that
# KeyGen2 or SKS knows ("device-pin-support", "biometric-support", "os-version", "ed25519", ...), or a full URI.
# [[capability]]
# query = "biometric-support"
# required = false           # true: devices without it are refused

# Keys that this issuer gave the device before. The first [[lookup]] that finds a key decides what happens to it:
# "delete" or "unlock" it at the end of the session, "refuse" the session, "ignore" it.
# [[lookup]]
# action = "delete"
# same_subject = true        # false: also keys that were issued to other subjects than that of the ticket
# # Without a filter all keys are found. A key has to match every member: finger_print, issuer_reg_ex, serial_number,
# # subject_reg_ex, email_reg_ex, policy_rules, key_usage_rules, extended_key_usage_rules, issued_before, issued_after,
# # grouping (in the last lookup only) and app_usage.
# filter = { app_usage = "authentication", issued_before = "2026-01-31T12:00:00Z" }

# The rules for the PIN that the user chooses.
[[pin_policy]]
# "numeric", "alphanumeric" (upper case letters and digits), "string" (any text) or "binary".
format = "numeric"
# Length in bytes, at most 128.
min_length = 4
max_length = 8
# Wrong tries in a row that lock the keys.
retry_limit = 3
# "none" (a PIN for each key), "shared" (one for all), "signature+standard" or "unique" (by app_usage).
grouping = "shared"
# Whether the user may change the PIN later.
user_modifiable = true
# "any", "programmatic" or "trusted-gui": how PINs may reach the device.
input_method = "any"
# Refuse weak PINs: "two-in-a-row", "three-in-a-row", "sequence", "repeated", "missing-group".
# pattern_restrictions = ["sequence", "three-in-a-row"]
)toml";

constexpr std::string_view kDevices =
    R"(# Devices that this issuer accepts: the SHA-256 of each device certificate, one per line. Changes count at once.
)";

}  // namespace

namespace {

/// The table as it stands for an issuer whose devices are trusted by a CA, and
/// as a comment for others.
std::string device_ca_table(DeviceTrustMode trust) {
  std::string text;
  for (const char c : kConfigDeviceCa) {
    if (c != '%') {
      text += c;
    } else if (trust != DeviceTrustMode::ca) {
      text += "# ";
    }
  }
  return text;
}

}  // namespace

std::string default_config(const MainUrl& url, DeviceTrustMode trust, const std::string& database) {
  // Neither text can hold a quotation mark or a backslash: MainUrl::parse
  // refuses them.
  return std::string(kConfigHead) + "url = \"" + url.text() + "\"\n" + std::string(kConfigTrust) + "device_trust = \"" +
         std::string(device_trust_name(trust)) + "\"\n" + std::string(kConfigTail) + std::string(kConfigDatabase) +
         "database = \"" + (database.empty() ? "sqlite:issuer.db" : database) + "\"\n" + std::string(kConfigLimits) +
         std::string(kConfigDirectory) + device_ca_table(trust);
}

std::string default_profile() {
  return "# Profile \"default\": one P-256 key for logging in, under a PIN of "
         "the user's choice.\n" +
         std::string(kProfileCommon) + std::string(kAuthenticationKey);
}

std::string pair_profile() {
  return "# Profile \"pair\": a P-256 key for logging in and an RSA-2048 key "
         "for signatures, under one PIN.\n" +
         std::string(kProfileCommon) + std::string(kAuthenticationKey) + std::string(kSignatureKey);
}

std::string_view default_registered_devices() { return kDevices; }

}  // namespace sks::issuer
