// Small pieces that the pages are made of.

import { at } from "./api.js";
import { code, data, el, nextId } from "./dom.js";
import { dateTime, dateTimeExact, day, isKnown, t, word } from "./text.js";

export function time(seconds, { exact = false } = {}) {
  if (!seconds) return none();
  const iso = new Date(seconds * 1000).toISOString();
  return el("time", { datetime: iso, title: iso, translate: "no" }, exact ? dateTimeExact(seconds) : dateTime(seconds));
}

export function date(seconds) {
  if (!seconds) return none();
  const iso = new Date(seconds * 1000).toISOString();
  return el("time", { datetime: iso, title: iso, translate: "no" }, day(seconds, { year: "numeric" }));
}

export function none() {
  return el("span", { class: "none" }, t("value.none"));
}

export const orNone = (value) => (value === undefined || value === null || value === "" ? none() : data(value));

export function link(to, ...children) {
  return el("a", { href: `#/${to}` }, ...children);
}

/// The beginning of a long hexadecimal name; the whole of it is in the tooltip and behind the link.
export function shortHex(value, to) {
  if (!value) return none();
  const text = code(value.length > 16 ? `${value.slice(0, 12)}…` : value, { title: value });
  return to ? link(to, text) : text;
}

// What has a page of its own: a link for those who may see it. `may` as pages get it.
export function profileName(name, may) {
  return may("view-profiles") ? link(at`profiles/${name}`, data(name)) : data(name);
}
export const deviceName = (id, may) => shortHex(id, may("view-devices") ? at`devices/${id}` : undefined);
export const sessionName = (id, may) => shortHex(id, may("view-sessions") ? at`sessions/${id}` : undefined);
export const ticketName = (id, may) => shortHex(id, may("view-tickets") ? at`tickets/${id}` : undefined);

// A shape for each tone, so that nothing is told by colour alone.
const kShapes = { good: "●", bad: "■", warn: "▲", quiet: "○" };
const kTones = {
  status: { issued: "good", revoked: "bad", suspended: "warn" },
  state: { open: "good", done: "good", aborted: "bad", expired: "warn" },
  result: { ok: "good", begun: "quiet", failed: "bad" },
  account_state: { "in-force": "good", disabled: "bad", expired: "warn" },
};

/// A word of the server with its tone: badge("status", "revoked").
export function badge(group, value, unknownTone = "quiet") {
  const tone = kTones[group]?.[value] ?? unknownTone;
  return el(
    "span",
    { class: `badge ${tone}` },
    el("span", { "aria-hidden": "true", translate: "no" }, kShapes[tone]),
    isKnown(group, value) ? word(group, value) : data(value),
  );
}

/// How far something came, or why not.
export function resultBadge(value) {
  if (!value) return none();
  return Object.hasOwn(kTones.result, value) ? badge("result", value) : badge("reason", value, "bad");
}

/// Pairs of a label and a value; a value that is undefined, false, null or empty is left out.
export function facts(...rows) {
  return el(
    "dl",
    { class: "facts" },
    rows
      .filter(([, value]) => ![undefined, false, null, "", 0].includes(value))
      .map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))),
  );
}

export function card(title, ...children) {
  const id = nextId("card");
  return el("section", { class: "card", "aria-labelledby": id }, el("h2", { id }, title), ...children);
}

export function button(label, run, { kind = "", type = "button", ...attributes } = {}) {
  return el("button", { type, class: kind, ...attributes, on: run ? { click: run } : {} }, label);
}

export function copyButton(text, label) {
  const made = button(
    t("copy.do"),
    async () => {
      try {
        await navigator.clipboard.writeText(text);
        made.textContent = t("copy.done");
        announce(t("copy.done"));
      } catch {
        made.textContent = t("copy.failed");
        announce(t("copy.failed"));
      }
    },
    { kind: "small", "aria-label": t("copy.label", { what: label }) },
  );
  return made;
}

/// A long text to take along: shown whole, selected with one key, copied with one button.
export function copyField(label, text) {
  const id = nextId("copy");
  return el(
    "div",
    { class: "copy" },
    el("div", { class: "copy-head" }, el("span", { id, class: "label" }, label), copyButton(text, label)),
    el(
      "pre",
      { tabindex: "0", role: "textbox", "aria-readonly": "true", "aria-labelledby": id, translate: "no" },
      text,
    ),
  );
}

export function alertBox(sentence) {
  return el("p", { class: "alert", role: "alert" }, data(sentence));
}

/// Read out by screen readers, seen by nobody.
export function announce(text) {
  const place = document.getElementById("announcement");
  if (place) place.textContent = text;
}

/// A sentence about what has just happened, above the page; nowhere when that has led to the sign-in.
export function notify(text) {
  document.getElementById("notice")?.replaceChildren(el("p", { class: "notice" }, text));
}

/// The same about something that did not work.
export function notifyFailure(sentence) {
  document.getElementById("notice")?.replaceChildren(alertBox(sentence));
}

let forNext = null;
/// The same above another page, which is shown now.
export function moveTo(place, text) {
  forNext = text;
  location.hash = `#/${place}`;
}
export function takeNotice() {
  const text = forNext;
  forNext = null;
  return text;
}

/// Any number of some choices: options: [[value, label, hint]], value: those that are chosen.
function checks({ name, label, options, value = [] }) {
  return el(
    "fieldset",
    { class: "field checks" },
    el("legend", { class: "label" }, label),
    options.map(([option, text, hint]) => {
      const id = nextId(name);
      return el(
        "div",
        { class: "check" },
        el("input", {
          type: "checkbox",
          id,
          name,
          value: option,
          checked: value.includes(option),
          "aria-describedby": hint ? `${id}-hint` : undefined,
        }),
        el("label", { for: id }, text),
        hint && el("p", { class: "hint", id: `${id}-hint` }, hint),
      );
    }),
  );
}

/// { name, label, type: text|search|number|select|checks|textarea|datetime|password, options: [[value, label]], value,
/// hint }
export function field({ name, label, type = "text", options = [], value = "", hint, ...attributes }) {
  if (type === "checks") return checks({ name, label, options, value });
  const id = nextId(name);
  const common = { id, name, "aria-describedby": hint ? `${id}-hint` : undefined, ...attributes };
  let input;
  if (type === "select")
    input = el(
      "select",
      common,
      options.map(([option, text]) => el("option", { value: option, selected: option === value }, text)),
    );
  else if (type === "textarea") input = el("textarea", common, value);
  else input = el("input", { ...common, type: type === "datetime" ? "datetime-local" : type, value });
  return el(
    "div",
    { class: `field ${type}` },
    el("label", { for: id }, label),
    input,
    hint && el("p", { class: "hint", id: `${id}-hint` }, hint),
  );
}

/// A form that is the content of a page; `cancel`: where its second button leads. `run` gets the form when it is submitted;
/// while it fails its sentence is shown in the form.
export function pageForm({ fields, confirm, cancel, run }) {
  const error = el("div", {});
  const submit = button(confirm, undefined, { type: "submit", kind: "primary" });
  const form = el(
    "form",
    {
      class: "card form",
      on: {
        submit: async (event) => {
          event.preventDefault();
          submit.disabled = true;
          error.replaceChildren();
          try {
            await run(form);
          } catch (problem) {
            error.replaceChildren(alertBox(problem.message));
          } finally {
            submit.disabled = false;
          }
        },
      },
    },
    fields,
    error,
    el("div", { class: "buttons" }, el("a", { class: "button", href: `#/${cancel}` }, t("dialog.cancel")), submit),
  );
  return form;
}

/// A modal dialog with a form. `run` gets the values when it is submitted, as an object and as FormData; while it fails its
/// sentence is shown in the dialog. Gives what `run` gave, or undefined when the dialog was closed.
export function ask({ title, text = [], fields = [], confirm, danger = false, run }) {
  return new Promise((resolve) => {
    let outcome;
    const id = nextId("dialog");
    const error = el("div", {});
    const submit = button(confirm, undefined, { type: "submit", kind: danger ? "danger" : "primary" });
    const form = el(
      "form",
      {
        method: "dialog",
        on: {
          submit: async (event) => {
            event.preventDefault();
            submit.disabled = true;
            try {
              const values = new FormData(form);
              outcome = { value: await run(Object.fromEntries(values), values) };
              dialog.close();
            } catch (problem) {
              error.replaceChildren(alertBox(problem.message));
            } finally {
              submit.disabled = false;
            }
          },
        },
      },
      el("h2", { id }, title),
      text.map((part) => (part instanceof Node ? part : el("p", {}, part))),
      fields.map(field),
      error,
      el(
        "div",
        { class: "buttons" },
        button(t("dialog.cancel"), () => dialog.close()),
        submit,
      ),
    );
    const dialog = show(form, id, () => resolve(outcome?.value));
  });
}

/// A modal dialog that only shows something; resolved when it is closed.
export function tell({ title, content, close }) {
  return new Promise((resolve) => {
    const id = nextId("dialog");
    const dialog = show(
      el(
        "div",
        {},
        el("h2", { id }, title),
        ...content,
        el(
          "div",
          { class: "buttons" },
          button(close ?? t("dialog.close"), () => dialog.close(), { kind: "primary" }),
        ),
      ),
      id,
      resolve,
    );
  });
}

function show(content, titleId, done) {
  const dialog = el("dialog", { "aria-labelledby": titleId }, content);
  dialog.addEventListener("close", () => {
    dialog.remove();
    done();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
