import { at, get, post } from "./api.js";
import { code, data, el } from "./dom.js";
import { showTicket } from "./issued_ticket.js";
import { listOf, table } from "./lists.js";
import { number, t, word } from "./text.js";
import {
  ask,
  badge,
  button,
  card,
  copyField,
  date,
  deviceName,
  facts,
  link,
  notify,
  orNone,
  profileName,
  resultBadge,
  sessionName,
  shortHex,
  tell,
  time,
} from "./widgets.js";
import { signaturesOf } from "./page_signature_profiles.js";
import { profileOptions } from "./page_tickets.js";

const kStatuses = ["issued", "suspended", "revoked", "replaced", "removed", "pending", "abandoned"];
const kReasons = [
  "unspecified",
  "keyCompromise",
  "affiliationChanged",
  "superseded",
  "cessationOfOperation",
  "privilegeWithdrawn",
];

export function credentialColumns() {
  return [
    {
      label: t("credential.subject"),
      kind: "wide",
      cell: (row) =>
        link(at`credentials/${row.fingerprint}`, row.subject ? data(row.subject) : shortHex(row.fingerprint)),
    },
    { label: t("credential.status"), cell: (row) => badge("status", row.status) },
    { label: t("profile.label"), cell: (row) => data(row.profile) },
    { label: t("credential.use"), cell: (row) => word("use", row.app_usage) },
    { label: t("credential.issued"), cell: (row) => time(row.issued) },
    { label: t("credential.not_after"), cell: (row) => date(row.not_after) },
    { label: t("credential.serial"), cell: (row) => shortHex(row.serial) },
  ];
}

export async function credentialsPage({ may, query }) {
  const list = listOf({
    path: "/credentials",
    place: "credentials",
    query,
    caption: t("credentials.title"),
    empty: t("credentials.empty"),
    filters: [
      { name: "text", label: t("credentials.text"), type: "search", hint: t("credentials.text_hint") },
      {
        name: "status",
        label: t("credential.status"),
        type: "select",
        options: [["", t("filter.any")], ...kStatuses.map((status) => [status, t(`status.${status}`)])],
      },
      may("view-profiles")
        ? { name: "profile", label: t("profile.label"), type: "select", options: await profileOptions(may, true) }
        : { name: "profile", label: t("profile.label") },
    ],
    columns: credentialColumns(),
  });
  return { title: t("credentials.title"), content: [list.node] };
}

const kCertificate = [
  "subject",
  "issuer",
  "serial",
  "not_before",
  "not_after",
  "key_usage",
  "extended_key_usage",
  "emails",
  "policies",
  "is_ca",
  "fingerprint",
  "public_key_digest",
];

// What changes the status at the issuer, for whoever asks for the certificate: path, in which statuses, its texts.
const kChanges = [
  {
    path: "suspend",
    from: ["issued"],
    text: "credential.suspend_text",
    label: "credential.suspend",
    done: "credential.suspended",
  },
  {
    path: "resume",
    from: ["suspended"],
    text: "credential.resume_text",
    label: "credential.resume",
    done: "credential.resumed",
  },
  {
    path: "revoke",
    from: ["issued", "suspended", "pending", "abandoned"],
    text: "credential.revoke_text",
    label: "credential.revoke",
    done: "credential.revoked",
    danger: true,
    fields: () => [
      {
        name: "reason",
        type: "select",
        label: t("credential.reason"),
        options: kReasons.map((reason) => [reason, t(`revocation.${reason}`)]),
      },
    ],
  },
];

// What a session with the device does to the key: a link for its user.
const kManagement = [
  { action: "unlock", right: "unlock-credentials", from: ["issued", "suspended"] },
  { action: "update", right: "manage-credentials", from: ["issued"] },
  { action: "clone", right: "manage-credentials", from: ["issued"] },
  { action: "suspend", right: "manage-credentials", from: ["issued"] },
  { action: "resume", right: "manage-credentials", from: ["issued", "suspended"] },
  { action: "delete", right: "manage-credentials", from: ["issued", "suspended", "revoked"] },
];

function changes(credential, redraw) {
  return kChanges
    .filter((row) => row.from.includes(credential.status))
    .map((row) =>
      button(
        t(row.label),
        async () => {
          const done = await ask({
            title: t(row.label),
            text: [t(row.text), data(credential.subject, { class: "about" })],
            fields: row.fields?.() ?? [],
            confirm: t(row.label),
            danger: row.danger,
            run: async (values) => {
              await post(at`/credentials/${credential.fingerprint}/` + row.path, row.fields ? values : undefined);
              return true;
            },
          });
          if (!done) return;
          await redraw();
          notify(t(row.done));
        },
        { kind: row.danger ? "danger" : "" },
      ),
    );
}

function management(credential, may) {
  const rows = kManagement.filter((row) => may(row.right) && row.from.includes(credential.status));
  if (rows.length === 0 || !credential.device) return null;
  const options = rows.map((row) => [row.action, t(`manage.${row.action}`)]);
  return card(
    t("manage.title"),
    el("p", {}, t("manage.text")),
    el(
      "div",
      { class: "buttons left" },
      button(t("manage.do"), async () => {
        const ticket = await ask({
          title: t("manage.do"),
          text: [data(credential.subject, { class: "about" })],
          confirm: t("manage.make"),
          fields: [{ name: "action", type: "select", label: t("manage.action"), options, hint: t("manage.hint") }],
          run: (values) => post(at`/credentials/${credential.fingerprint}/manage`, values),
        });
        if (ticket) await showTicket(ticket, t("manage.issued"));
      }),
    ),
  );
}

function keyManagement({ generation, current_generation: current }) {
  const values = { number: number(generation), current: number(current) };
  return t(generation === current ? "credential.kmk_current" : "credential.kmk_old", values);
}

/// The sessions that have done something to the key, or were to.
async function history(credential, may) {
  const { rows, replaced_by: successor, clones } = await get(at`/credentials/${credential.fingerprint}/history`);
  const columns = [
    { label: t("session.started"), cell: (row) => time(row.created) },
    { label: t("history.operation"), kind: "wide", cell: (row) => word("operation", row.operation) },
    { label: t("session.result"), cell: (row) => (row.ended ? resultBadge(row.result) : badge("state", "open")) },
    { label: t("tickets.creator"), cell: (row) => orNone(row.creator) },
    { label: t("session.one"), cell: (row) => sessionName(row.session, may) },
  ];
  return card(
    t("history.title"),
    table(columns, rows, t("history.title")),
    facts(
      [t("history.replaced_by"), successor && shortHex(successor, at`credentials/${successor}`)],
      [
        t("history.clones"),
        clones.length > 0 && clones.map((clone) => [shortHex(clone, at`credentials/${clone}`), " "]),
      ],
    ),
  );
}

function puk(credential) {
  return card(
    t("puk.title"),
    el("p", {}, t("puk.text")),
    el(
      "div",
      { class: "buttons left" },
      button(t("puk.show"), async () => {
        const shown = await ask({
          title: t("puk.show"),
          text: [t("puk.confirm_text"), data(credential.subject, { class: "about" })],
          confirm: t("puk.show"),
          run: () => post(at`/credentials/${credential.fingerprint}/puk`),
        });
        if (!shown) return;
        await tell({
          title: t("puk.title"),
          close: t("issued.close"),
          content: [el("p", { class: "puk" }, code(shown.puk)), el("p", { class: "hint" }, t("puk.once"))],
        });
      }),
    ),
  );
}

/// A decoded certificate. What the API adds to these rows in the future is shown behind them, under its own name.
export function certificateFacts(certificate) {
  const value = (name, content) => {
    if (content === undefined || content === "") return undefined;
    if (["not_before", "not_after"].includes(name)) return time(content, { exact: true });
    if (typeof content === "boolean") return t(content ? "value.yes" : "value.no");
    if (Array.isArray(content))
      return el(
        "ul",
        { class: "plain" },
        content.map((item) => el("li", {}, shown(item))),
      );
    return shown(content);
  };
  const shown = (item) => code(typeof item === "object" ? JSON.stringify(item) : item);
  const { pem, ...fields } = certificate;
  const names = [...new Set([...kCertificate, ...Object.keys(fields)])];
  return [
    facts(...names.map((name) => [word("certificate", name), value(name, fields[name])])),
    el("details", {}, el("summary", {}, t("certificate.pem")), copyField(t("certificate.pem"), pem)),
  ];
}

export async function credentialPage({ params, may, redraw }) {
  const credential = await get(at`/credentials/${params.fingerprint}`);
  const revocation = credential.revocation ?? {};
  return {
    title: credential.subject ? data(credential.subject) : t("credential.one"),
    above: link("credentials", t("credentials.title")),
    actions: may("revoke-credentials") ? changes(credential, redraw) : [],
    content: [
      card(
        t("credential.one"),
        facts(
          [t("credential.status"), badge("status", credential.status)],
          [t("credential.revocation_reason"), revocation.reason && word("revocation", revocation.reason)],
          [t("credential.revoked_at"), revocation.time && time(revocation.time, { exact: true })],
          [t("profile.label"), profileName(credential.profile, may)],
          [t("credential.use"), word("use", credential.app_usage)],
          [
            t("signatures.title"),
            credential.app_usage === "signature" &&
              credential.subject &&
              may("view-signature-profiles") &&
              link(signaturesOf(credential.subject), t("signatures.of_subject")),
          ],
          [t("credential.friendly_name"), credential.friendly_name ? data(credential.friendly_name) : undefined],
          [t("credential.issued"), time(credential.issued, { exact: true })],
          [t("credential.not_after"), time(credential.not_after, { exact: true })],
          [t("device.one"), credential.device ? deviceName(credential.device, may) : t("device.anonymous")],
          [t("session.issuing"), sessionName(credential.session, may)],
          [t("session.owner"), credential.owner !== credential.session && sessionName(credential.owner, may)],
          [t("credential.kmk"), keyManagement(credential.key_management)],
          [t("credential.fingerprint"), code(credential.fingerprint)],
        ),
      ),
      management(credential, may),
      may("show-puk") && credential.has_puk && puk(credential),
      await history(credential, may),
      card(t("certificate.title"), certificateFacts(credential.certificate)),
    ],
  };
}
