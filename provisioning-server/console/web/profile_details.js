// Everything that a profile says, part by part, each word with what it means.

import { code, data, el } from "./dom.js";
import { table } from "./lists.js";
import { list, number, t, word } from "./text.js";
import { card, facts } from "./widgets.js";

const yesNo = (value) => t(value ? "value.yes" : "value.no");
const plainList = (items) =>
  items.length > 0 &&
  el(
    "ul",
    { class: "plain" },
    items.map((item) => el("li", {}, item)),
  );
const codes = (texts) => plainList(texts.map((text) => code(text)));

/// The word of the profile with its meaning behind it.
function meant(value, meaning) {
  return el("span", {}, code(value), " ", el("span", { class: "meaning" }, meaning));
}

/// The part behind the '#', the whole in the tooltip.
function shortUri(uri) {
  const at = uri.lastIndexOf("#");
  return at < 0 ? code(uri) : code(uri.slice(at + 1), { title: uri });
}

function certificateCard({ certificate, privacy_enabled: anonymous }) {
  const names = certificate.alternative_names;
  const required = certificate.subject_data.filter((row) => row.required).map((row) => row.name);
  const optional = certificate.subject_data.filter((row) => !row.required).map((row) => row.name);
  return card(
    t("details.certificate"),
    facts(
      [t("details.validity"), t("details.validity_text", { days: number(certificate.validity_days) })],
      [t("details.subject_source"), word("subject_source", certificate.subject_source)],
      [t("details.subject"), certificate.subject && code(certificate.subject)],
      [t("details.required"), required.length > 0 && codes(required)],
      [t("details.optional"), optional.length > 0 && codes(optional)],
      [t("details.email"), codes(names.email)],
      [t("details.email_from_subject"), certificate.email_from_subject && t("summary.email")],
      [t("details.upn"), codes(names.upn)],
      [t("details.uri"), codes(names.uri)],
      [t("certificate.extended_key_usage"), codes(certificate.extended_key_usage)],
      [t("certificate.policies"), codes(certificate.policies)],
      [
        t("details.extensions"),
        plainList(
          certificate.extensions.map((row) => [
            code(row.oid),
            row.critical && [" ", t("details.critical")],
            " = ",
            code(row.value),
          ]),
        ),
      ],
      [t("details.device"), t(anonymous ? "summary.anonymous" : "summary.known_device")],
    ),
  );
}

function pinCard(policy, i, count) {
  return card(
    count > 1 ? t("details.pin_numbered", { number: number(i + 1) }) : t("details.pin"),
    facts(
      [t("details.format"), meant(policy.format, word("format", policy.format))],
      [
        t("details.length"),
        t("details.length_text", { min: number(policy.min_length), max: number(policy.max_length) }),
      ],
      [t("details.retry_limit"), t("summary.pin_limit", { tries: number(policy.retry_limit) })],
      [t("details.grouping"), meant(policy.grouping, word("grouping", policy.grouping))],
      [t("details.input_method"), meant(policy.input_method, word("input_method", policy.input_method))],
      [t("details.patterns"), plainList(policy.pattern_restrictions.map((name) => meant(name, word("pattern", name))))],
      [t("details.modifiable"), t(policy.user_modifiable ? "summary.pin_modifiable" : "summary.pin_fixed")],
      [t("details.pin_keys"), number(policy.keys)],
    ),
  );
}

function pukCard(policy) {
  if (!policy) return card(t("puk.title"), el("p", {}, t("summary.no_puk")));
  return card(
    t("puk.title"),
    el("p", {}, t("summary.puk", { length: number(policy.length) })),
    facts(
      [t("details.format"), meant(policy.format, word("format", policy.format))],
      [t("details.length"), number(policy.length)],
      [
        t("details.retry_limit"),
        policy.retry_limit === 0
          ? t("summary.pin_no_limit")
          : t("summary.pin_limit", { tries: number(policy.retry_limit) }),
      ],
    ),
  );
}

function protectedBy(key, policies) {
  if (key.device_pin_protection) return t("details.device_pin");
  if (key.pin_policy === undefined) return t("details.no_pin");
  if (policies.length === 1) return t("details.under_pin");
  return t("details.under_pin_numbered", { number: number(key.pin_policy + 1) });
}

/// A logotype as a picture: an image runs no script and loads nothing, whatever is in it.
function picture(row) {
  if (!row.media_type.startsWith("image/")) return null;
  const base64 = row.content.replaceAll("-", "+").replaceAll("_", "/");
  return el("img", { class: "logotype", alt: t("details.logotype"), src: `data:${row.media_type};base64,${base64}` });
}

function extensionContent(row) {
  if (row.properties)
    return plainList(
      row.properties.map((property) => [
        code(property.name),
        " = ",
        code(property.value),
        property.writable && [" ", t("details.writable")],
      ]),
    );
  return plainList(
    [
      row.media_type && [picture(row), " ", data(row.media_type)],
      row.text !== undefined && el("pre", { translate: "no" }, row.text),
      t("details.bytes", { size: number(row.size) }),
    ].filter(Boolean),
  );
}

function extensionTable(rows) {
  const columns = [
    { label: t("details.kind"), cell: (row) => word("extension", row.kind) },
    { label: t("details.type"), kind: "wide", cell: (row) => code(row.type) },
    { label: t("details.content"), kind: "wide", cell: extensionContent },
  ];
  return [el("h3", {}, t("details.beside")), table(columns, rows, t("details.beside"))];
}

function keyCard(key, { pin_policies: policies, certificate }, i) {
  const title = key.friendly_name ? data(key.friendly_name) : t("details.key", { number: number(i + 1) });
  return card(
    title,
    facts(
      [t("credential.use"), meant(key.app_usage, word("use", key.app_usage))],
      [t("certificate.key_usage"), codes(certificate.key_usage[key.app_usage])],
      [t("details.algorithm"), shortUri(key.algorithm)],
      [t("details.rsa_exponent"), key.rsa_exponent && number(key.rsa_exponent)],
      [
        t("details.endorsed"),
        key.endorsed_algorithms.length > 0 ? plainList(key.endorsed_algorithms.map(shortUri)) : t("details.all_endorsed"),
      ],
      [t("details.protected_by"), protectedBy(key, policies)],
      [
        t("details.biometric"),
        meant(key.biometric_protection, word("biometric", key.biometric_protection)),
      ],
      [t("details.export"), meant(key.export_protection, word("export", key.export_protection))],
      [t("details.delete"), meant(key.delete_protection, word("delete", key.delete_protection))],
      [t("details.caching"), key.pin_policy !== undefined && yesNo(key.enable_pin_caching)],
      [t("details.signature_profile"), key.signature_profile && code(key.signature_profile)],
    ),
    key.extensions.length > 0 && extensionTable(key.extensions),
  );
}

function limitsCard({ limits }) {
  const shown = (value) => (value === 0 ? t("details.no_limit") : number(value));
  return card(
    t("details.limits"),
    facts(
      [t("details.per_device"), shown(limits.credentials_per_device)],
      [t("details.per_subject"), shown(limits.credentials_per_subject)],
      [t("details.per_hour"), shown(limits.sessions_per_device_and_hour)],
    ),
  );
}

function questionsCard({ capabilities }) {
  if (capabilities.length === 0) return null;
  const columns = [
    { label: t("details.question"), kind: "wide", cell: (row) => code(row.query) },
    { label: t("details.answer"), cell: (row) => t(row.required ? "details.answer_required" : "details.answer_noted") },
  ];
  return card(
    t("details.questions"),
    el("p", {}, t("details.questions_text")),
    table(columns, capabilities, t("details.questions")),
  );
}

function filterOf({ filter }) {
  const members = Object.entries(filter);
  if (members.length === 0) return t("details.every_key");
  return plainList(members.map(([name, values]) => [code(name), ": ", data(list(values))]));
}

function lookupsCard({ lookups }) {
  if (lookups.length === 0) return null;
  const columns = [
    { label: t("details.which_keys"), kind: "wide", cell: filterOf },
    { label: t("details.subjects"), cell: (row) => t(row.same_subject ? "details.same_subject" : "details.any_subject") },
    { label: t("details.action"), kind: "wide", cell: (row) => meant(row.action, word("lookup", row.action)) },
  ];
  return card(
    t("details.lookups"),
    el("p", {}, t("details.lookups_text")),
    table(columns, lookups, t("details.lookups")),
  );
}

function managementCard({ kmk_generation: generation, session_life_time: seconds }) {
  return card(
    t("details.session"),
    facts(
      [t("details.life_time"), t("summary.session", { minutes: number(Math.ceil(seconds / 60)) })],
      [t("credential.kmk"), t("details.kmk", { number: number(generation) })],
    ),
  );
}

/// The cards behind the summary.
export function details({ decoded }) {
  const policies = decoded.pin_policies;
  return [
    decoded.keys.map((key, i) => keyCard(key, decoded, i)),
    policies.map((policy, i) => pinCard(policy, i, policies.length)),
    policies.length > 0 && pukCard(decoded.puk_policy),
    decoded.keys.length > 0 && certificateCard(decoded),
    decoded.keys.length > 0 && limitsCard(decoded),
    questionsCard(decoded),
    lookupsCard(decoded),
    managementCard(decoded),
  ].flat();
}
