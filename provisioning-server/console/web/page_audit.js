import { post } from "./api.js";
import { data, el } from "./dom.js";
import { listOf } from "./lists.js";
import { number, t } from "./text.js";
import { alertBox, button, card, facts, resultBadge, orNone, sessionName, time } from "./widgets.js";

/// The name of a message, which may go on in the next line in front of each of its words.
function breakable(name) {
  const parts = String(name ?? "").split(/(?=[A-Z][a-z])/);
  return el(
    "code",
    { translate: "no" },
    parts.map((part, i) => (i === 0 ? part : [el("wbr"), part])),
  );
}

export function auditColumns({ may, inSession = false }) {
  return [
    { label: t("audit.time"), cell: (row) => time(row.time) },
    { label: t("audit.actor"), cell: (row) => orNone(row.actor) },
    { label: t("audit.action"), kind: "parts", cell: (row) => breakable(row.action) },
    { label: t("session.result"), cell: (row) => resultBadge(row.result) },
    { label: t("audit.detail"), kind: "wide", cell: (row) => orNone(row.detail) },
    !inSession && { label: t("session.one"), cell: (row) => sessionName(row.session, may) },
    {
      label: t("audit.entry"),
      cell: (row) =>
        el(
          "span",
          { class: "small", translate: "no", title: row.chain },
          `${row.chain.slice(0, 6)} ${number(row.number)}`,
        ),
    },
  ].filter(Boolean);
}

function sentences(list) {
  return el(
    "ul",
    {},
    list.map((sentence) => el("li", {}, data(sentence))),
  );
}

function verifier() {
  const result = el("div", { "aria-live": "polite" });
  const start = button(
    t("audit.verify"),
    async () => {
      start.disabled = true;
      result.replaceChildren(el("p", { class: "empty" }, t("audit.verifying")));
      try {
        const report = await post("/audit/verify");
        const sentence = report.ok
          ? el("p", { class: "fine" }, t("audit.verify_ok"))
          : el("p", { class: "alert" }, t("audit.verify_failed"));
        result.replaceChildren(
          sentence,
          facts(
            [t("audit.entries"), number(report.entries)],
            [t("audit.chains"), number(report.chains)],
            [t("audit.checkpoints"), number(report.checkpoints)],
            [t("audit.uncovered"), number(report.uncovered)],
          ),
          sentences(report.findings),
          el("div", {}, report.notes.length > 0 && el("p", {}, t("audit.notes")), sentences(report.notes)),
        );
      } catch (problem) {
        result.replaceChildren(alertBox(problem.message));
      }
      start.disabled = false;
    },
    { kind: "primary" },
  );
  return card(
    t("audit.verify_title"),
    el("p", {}, t("audit.verify_text")),
    el("div", { class: "buttons left" }, start),
    result,
  );
}

export async function auditPage({ may, query }) {
  const list = listOf({
    path: "/audit",
    place: "audit",
    query,
    caption: t("audit.title"),
    empty: t("audit.empty"),
    filters: [
      { name: "from", label: t("audit.from"), type: "datetime" },
      { name: "to", label: t("audit.to"), type: "datetime" },
      { name: "actor", label: t("audit.actor") },
      { name: "action", label: t("audit.action") },
      { name: "result", label: t("session.result") },
      { name: "session", label: t("session.one") },
      { name: "text", label: t("audit.detail"), type: "search" },
    ],
    columns: auditColumns({ may }),
  });
  return { title: t("audit.title"), content: [may("verify-audit") && verifier(), list.node] };
}
