import { at, get, post, remove } from "./api.js";
import { explain } from "./attestation.js";
import { code, data, el } from "./dom.js";
import { listOf, table } from "./lists.js";
import { t } from "./text.js";
import { ask, button, card, facts, link, moveTo, notify, orNone, shortHex, time } from "./widgets.js";
import { certificateFacts, credentialColumns } from "./page_credentials.js";

export async function devicesPage({ may, query }) {
  const list = listOf({
    path: "/devices",
    place: "devices",
    query,
    caption: t("devices.title"),
    empty: t("devices.empty"),
    filters: [{ name: "fingerprint", label: t("device.fingerprint"), type: "search", hint: t("devices.text_hint") }],
    columns: [
      {
        label: t("device.fingerprint"),
        kind: "wide",
        cell: (row) => shortHex(row.fingerprint, at`devices/${row.fingerprint}`),
      },
      { label: t("device.subject"), cell: (row) => orNone(row.subject) },
      { label: t("device.registered"), cell: (row) => t(row.registered ? "value.yes" : "value.no") },
      { label: t("device.first_seen"), cell: (row) => time(row.first_seen) },
      { label: t("device.last_seen"), cell: (row) => time(row.last_seen) },
    ],
  });
  const register =
    may("register-devices") &&
    button(
      t("devices.register"),
      async () => {
        const done = await ask({
          title: t("devices.register"),
          confirm: t("devices.register"),
          text: [t("devices.register_text")],
          fields: [
            {
              name: "what",
              type: "textarea",
              label: t("devices.register_label"),
              rows: 6,
              required: true,
              spellcheck: "false",
              hint: t("devices.register_hint"),
            },
          ],
          run: async ({ what }) => {
            const text = what.trim();
            await post("/devices", text.startsWith("-----") ? { certificate: text } : { fingerprint: text });
            return true;
          },
        });
        if (!done) return;
        await list.reload();
        notify(t("devices.registered"));
      },
      { kind: "primary" },
    );
  return { title: t("devices.title"), actions: [register], content: [list.node] };
}

export async function devicePage({ params, may }) {
  const device = await get(at`/devices/${params.fingerprint}`);
  const unregister =
    may("register-devices") &&
    device.registered &&
    button(
      t("device.unregister"),
      async () => {
        const done = await ask({
          title: t("device.unregister"),
          text: [t("device.unregister_text")],
          confirm: t("device.unregister"),
          danger: true,
          run: async () => {
            await remove(at`/devices/${params.fingerprint}`);
            return true;
          },
        });
        if (!done) return;
        moveTo("devices", t("device.unregistered"));
      },
      { kind: "danger" },
    );
  const credentials = device.credentials ?? [];
  return {
    title: [t("device.one"), " ", shortHex(device.fingerprint)],
    above: link("devices", t("devices.title")),
    actions: [unregister],
    content: [
      card(
        t("device.one"),
        facts(
          [t("device.fingerprint"), code(device.fingerprint)],
          [t("device.registered"), t(device.registered ? "value.yes" : "value.no")],
          [t("device.first_seen"), time(device.first_seen, { exact: true })],
          [t("device.last_seen"), time(device.last_seen, { exact: true })],
        ),
      ),
      card(t("attestation.title"), ...explain(device)),
      may("view-credentials") &&
        card(
          t("device.credentials"),
          credentials.length > 0
            ? table(credentialColumns(), credentials, t("device.credentials"))
            : el("p", { class: "empty" }, t("device.no_credentials")),
        ),
      card(t("device.path"), certificates(device)),
    ],
  };
}

function certificates(device) {
  const path = device.path ?? [];
  if (path.length === 0) return el("p", { class: "empty" }, t("device.no_certificate"));
  return el(
    "ol",
    { class: "path" },
    path.map((certificate, i) =>
      el(
        "li",
        {},
        el("h3", {}, t(i === 0 ? "device.leaf" : "device.above"), " ", data(certificate.subject)),
        certificateFacts(certificate),
      ),
    ),
  );
}
