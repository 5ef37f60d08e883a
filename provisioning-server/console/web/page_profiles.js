import { at, get, post } from "./api.js";
import { data, el } from "./dom.js";
import { table } from "./lists.js";
import { t } from "./text.js";
import { alertBox, button, card, facts, field, link, shortHex } from "./widgets.js";
import { details } from "./profile_details.js";
import { overview, summary } from "./profile_summary.js";

export async function profilesPage() {
  const { rows } = await get("/profiles");
  const columns = [
    { label: t("profile.label"), cell: (row) => link(at`profiles/${row.name}`, data(row.name)) },
    { label: t("profile.summary"), kind: "wide", cell: (row) => (row.refusal ? alertBox(row.refusal) : overview(row)) },
    { label: t("profile.digest"), cell: (row) => shortHex(row.digest) },
  ];
  return {
    title: t("profiles.title"),
    content: [
      el("p", { class: "hint" }, t("profiles.text")),
      rows.length > 0 ? table(columns, rows, t("profiles.title")) : el("p", { class: "empty" }, t("profiles.empty")),
    ],
  };
}

function checker(profile) {
  const result = el("div", { "aria-live": "polite" });
  const submit = button(t("profile.check"), undefined, { type: "submit", kind: "primary" });
  const form = el(
    "form",
    {
      on: {
        submit: async (event) => {
          event.preventDefault();
          submit.disabled = true;
          try {
            const answer = await post("/profiles/check", { name: profile.name, content: form.elements.content.value });
            result.replaceChildren(
              answer.ok
                ? el("p", { class: "fine" }, t("profile.check_ok"))
                : el("p", { class: "alert" }, data(answer.sentence)),
            );
          } catch (problem) {
            result.replaceChildren(alertBox(problem.message));
          }
          submit.disabled = false;
        },
      },
    },
    field({
      name: "content",
      type: "textarea",
      label: t("profile.content"),
      value: profile.content,
      rows: 24,
      spellcheck: "false",
      hint: t("profile.check_hint"),
    }),
    result,
    el("div", { class: "buttons left" }, submit),
  );
  return card(t("profile.check_title"), el("p", {}, t("profile.check_text")), form);
}

export async function profilePage({ params, may }) {
  const profile = await get(at`/profiles/${params.name}`);
  return {
    title: data(profile.name),
    above: link("profiles", t("profiles.title")),
    actions: [
      may("manage-tickets") &&
        el("a", { class: "button", href: at`#/tickets/new?profile=${profile.name}` }, t("tickets.new")),
    ],
    content: [
      card(
        t("profile.summary"),
        el(
          "ul",
          {},
          summary(profile).map((line) => el("li", {}, line)),
        ),
        facts([t("profile.digest"), shortHex(profile.digest)]),
      ),
      details(profile),
      may("check-profiles")
        ? checker(profile)
        : card(
            t("profile.content"),
            el(
              "pre",
              {
                tabindex: "0",
                role: "textbox",
                "aria-readonly": "true",
                "aria-label": t("profile.content"),
                translate: "no",
              },
              profile.content,
            ),
          ),
    ],
  };
}
