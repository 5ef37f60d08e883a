// What a user's signatures are for, as a service asks the issuer. Spec: signature-profiles.md

import { at } from "./api.js";
import { code, data, el } from "./dom.js";
import { listOf } from "./lists.js";
import { isKnown, t, word } from "./text.js";
import { badge, date, shortHex } from "./widgets.js";

/// A word that the profile has chosen, and what it usually stands for, if anything.
function explained(value, meaning) {
  return el("span", {}, code(value), meaning && [el("br"), el("span", { class: "small" }, meaning)]);
}

export async function signatureProfilesPage({ may, query }) {
  const list = listOf({
    path: "/signature-profiles",
    place: "signature-profiles",
    query,
    caption: t("signatures.title"),
    empty: t("signatures.empty"),
    needs: { name: "user", text: t("signatures.no_user") },
    filters: [
      { name: "user", label: t("signatures.user"), type: "search", hint: t("signatures.user_hint"), spellcheck: "false" },
      {
        name: "status",
        label: t("signatures.which"),
        type: "select",
        options: [
          ["", t("signatures.in_force")],
          ["any", t("signatures.any")],
        ],
      },
    ],
    columns: [
      {
        label: t("signatures.service"),
        kind: "wide",
        cell: (row) => el("span", {}, data(row.service), el("br"), code(row.uri)),
      },
      { label: t("signatures.operation"), cell: (row) => data(row.operation) },
      {
        label: t("signatures.loa"),
        kind: "parts",
        cell: (row) => explained(row.loa, isKnown("loa", row.loa) && word("loa", row.loa)),
      },
      {
        label: t("signatures.sscd"),
        kind: "parts",
        cell: (row) => explained(row.sscd, isKnown("sscd", row.sscd) && word("sscd", row.sscd)),
      },
      {
        label: t("credential.one"),
        cell: (row) =>
          shortHex(row.credential, may("view-credentials") ? at`credentials/${row.credential}` : undefined),
      },
      { label: t("credential.status"), cell: (row) => badge("status", row.status) },
      { label: t("credential.not_after"), cell: (row) => date(row.not_after) },
    ],
  });
  return { title: t("signatures.title"), content: [el("p", { class: "hint" }, t("signatures.text")), list.node] };
}

/// Where to see them for the subject of a credential.
export const signaturesOf = (subject) => `signature-profiles?${new URLSearchParams({ user: subject })}`;
