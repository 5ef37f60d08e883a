// Who may use the administration.

import { at, get, post, remove } from "./api.js";
import { data, el } from "./dom.js";
import { table } from "./lists.js";
import { list, t, word } from "./text.js";
import {
  ask,
  badge,
  button,
  card,
  copyField,
  date,
  facts,
  field,
  link,
  moveTo,
  notify,
  pageForm,
  shortHex,
  tell,
  time,
} from "./widgets.js";

const kRoles = ["operator", "officer", "auditor", "helpdesk"];
const kUsualDays = 365;
const kMostDays = 730;

const roleOptions = () => kRoles.map((role) => [role, t(`role.${role}`), t(`role_text.${role}`)]);
const roleNames = (roles) => list(roles.map((role) => word("role", role)));

function waysIn({ has_token: token, certificate }) {
  return list([token && t("accounts.by_token"), certificate && t("accounts.by_certificate")].filter(Boolean));
}

export async function accountsPage({ may }) {
  const { rows } = await get("/accounts");
  const columns = [
    { label: t("accounts.name"), kind: "wide", cell: (row) => link(at`accounts/${row.name}`, data(row.name)) },
    { label: t("accounts.roles"), cell: (row) => roleNames(row.roles) },
    { label: t("accounts.state"), cell: (row) => badge("account_state", row.state) },
    { label: t("accounts.ways"), cell: (row) => waysIn(row) },
    { label: t("accounts.expires"), cell: (row) => date(row.expires) },
  ];
  return {
    title: t("accounts.title"),
    actions: [may("manage-accounts") && el("a", { class: "button primary", href: "#/accounts/new" }, t("accounts.new"))],
    content: [el("p", { class: "hint" }, t("accounts.text")), table(columns, rows, t("accounts.title"))],
  };
}

/// Shown once: the server keeps a digest only.
function showToken({ name, token }) {
  return tell({
    title: t("accounts.token_title"),
    close: t("issued.close"),
    content: [
      el("p", { class: "hint" }, t("accounts.token_once")),
      data(name, { class: "about" }),
      copyField(t("login.token"), token),
    ],
  });
}

/// As the API names a certificate: what people paste is either the fingerprint or the PEM.
function namedCertificate(text) {
  const certificate = text.trim();
  return certificate === "" ? {} : { [certificate.includes("BEGIN") ? "certificate" : "fingerprint"]: certificate };
}

const certificateField = (hint, required) => ({
  name: "certificate",
  type: "textarea",
  label: t("accounts.certificate"),
  hint,
  rows: 3,
  required,
  spellcheck: "false",
});

function request(form) {
  const values = new FormData(form);
  const body = {
    name: values.get("name").trim(),
    roles: values.getAll("roles"),
    token: values.has("token"),
    ...namedCertificate(values.get("certificate")),
  };
  if (values.get("days") !== "") body.days = Number(values.get("days"));
  if (body.roles.length === 0) throw new Error(t("accounts.no_role"));
  return body;
}

export async function newAccountPage() {
  const form = pageForm({
    confirm: t("accounts.create"),
    cancel: "accounts",
    run: async (filled) => {
      const account = await post("/accounts", request(filled));
      if (account.token) await showToken(account);
      moveTo(at`accounts/${account.name}`, t("accounts.created_notice"));
    },
    fields: [
      {
        name: "name",
        label: t("accounts.name"),
        hint: t("accounts.name_hint"),
        required: true,
        maxlength: 64,
        spellcheck: "false",
        autocomplete: "off",
      },
      { name: "roles", type: "checks", label: t("accounts.roles"), options: roleOptions() },
      {
        name: "token",
        type: "checks",
        label: t("accounts.ways"),
        options: [["yes", t("accounts.make_token"), t("accounts.make_token_hint")]],
        value: ["yes"],
      },
      certificateField(t("accounts.certificate_hint"), false),
      days(t("accounts.days_hint"), kUsualDays),
    ].map(field),
  });
  return { title: t("accounts.new"), above: link("accounts", t("accounts.title")), content: [form] };
}

const days = (hint, value) => ({
  name: "days",
  type: "number",
  label: t("accounts.days"),
  hint,
  min: 1,
  max: kMostDays,
  value,
});

// What can be done to an account: path of the API behind it, in which states, its texts. own: also to one's own.
const kChanges = [
  {
    label: "accounts.change_roles",
    from: ["in-force", "disabled", "expired"],
    text: "accounts.change_roles_text",
    done: "accounts.roles_changed",
    fields: ({ roles }) => [
      { name: "roles", type: "checks", label: t("accounts.roles"), options: roleOptions(), value: roles },
    ],
    run: (account, values) => {
      const roles = values.getAll("roles");
      if (roles.length === 0) throw new Error(t("accounts.no_role"));
      return post(at`/accounts/${account.name}/roles`, { roles });
    },
  },
  {
    label: "accounts.new_token",
    from: ["in-force", "disabled", "expired"],
    own: true,
    text: "accounts.new_token_text",
    done: "accounts.token_made",
    fields: ({ state }) => [days(t("accounts.token_days_hint"), state === "expired" ? kUsualDays : "")],
    run: async (account, values) => {
      const wanted = values.get("days");
      return post(at`/accounts/${account.name}/token`, wanted === "" ? {} : { days: Number(wanted) });
    },
    show: showToken,
  },
  {
    label: "accounts.new_certificate",
    from: ["in-force", "disabled", "expired"],
    own: true,
    text: "accounts.new_certificate_text",
    done: "accounts.certificate_changed",
    fields: ({ state }) => [
      certificateField(t("accounts.new_certificate_hint"), true),
      days(t("accounts.token_days_hint"), state === "expired" ? kUsualDays : ""),
    ],
    run: (account, values) => {
      const wanted = values.get("days");
      const body = namedCertificate(values.get("certificate"));
      if (wanted !== "") body.days = Number(wanted);
      return post(at`/accounts/${account.name}/certificate`, body);
    },
  },
  {
    label: "accounts.disable",
    from: ["in-force", "expired"],
    text: "accounts.disable_text",
    done: "accounts.disabled",
    run: (account) => post(at`/accounts/${account.name}/disable`),
  },
  {
    label: "accounts.enable",
    from: ["disabled"],
    text: "accounts.enable_text",
    done: "accounts.enabled",
    run: (account) => post(at`/accounts/${account.name}/enable`),
  },
  {
    label: "accounts.remove",
    from: ["in-force", "disabled", "expired"],
    text: "accounts.remove_text",
    done: "accounts.removed",
    danger: true,
    leaves: true,
    run: (account) => remove(at`/accounts/${account.name}`),
  },
];

function changeButton(row, account, redraw) {
  const run = async () => {
    const outcome = await ask({
      title: t(row.label),
      text: [t(row.text), data(account.name, { class: "about" })],
      fields: row.fields?.(account) ?? [],
      confirm: t(row.label),
      danger: row.danger,
      run: async (_, values) => ({ answer: await row.run(account, values) }),
    });
    if (!outcome) return;
    await row.show?.(outcome.answer);
    if (row.leaves) return moveTo("accounts", t(row.done));
    await redraw();
    notify(t(row.done));
  };
  return button(t(row.label), run, { kind: row.danger ? "danger" : "" });
}

export async function accountPage({ params, may, me, redraw }) {
  const account = await get(at`/accounts/${params.name}`);
  const isOwn = account.name === me.name;
  const changes = kChanges.filter((row) => row.from.includes(account.state) && (row.own || !isOwn));
  return {
    title: data(account.name),
    above: link("accounts", t("accounts.title")),
    actions: may("manage-accounts") ? changes.map((row) => changeButton(row, account, redraw)) : [],
    content: [
      isOwn && may("manage-accounts") && el("p", { class: "hint" }, t("accounts.own")),
      card(
        t("accounts.one"),
        facts(
          [t("accounts.state"), badge("account_state", account.state)],
          [t("accounts.ways"), waysIn(account)],
          [
            t("accounts.certificate"),
            account.certificate &&
              shortHex(
                account.certificate,
                may("view-credentials") ? at`credentials/${account.certificate}` : undefined,
              ),
          ],
          [t("accounts.created"), time(account.created, { exact: true })],
          [t("accounts.expires"), time(account.expires, { exact: true })],
        ),
      ),
      card(
        t("accounts.roles"),
        el(
          "dl",
          { class: "facts" },
          account.roles.map((role) =>
            el("div", {}, el("dt", {}, word("role", role)), el("dd", {}, word("role_text", role))),
          ),
        ),
        may("view-audit") && el("p", {}, link(`audit?actor=${encodeURIComponent(account.name)}`, t("accounts.audit"))),
      ),
    ],
  };
}
