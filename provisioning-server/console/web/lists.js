// Lists: a form of filters above a table that is fetched page by page. The filters are in the address, so that a list
// can be kept as a bookmark and "back" leads to it again.

import { get } from "./api.js";
import { el } from "./dom.js";
import { number, t } from "./text.js";
import { alertBox, announce, button, field } from "./widgets.js";

/// columns: { label, cell(row) -> node or text, kind }. On narrow screens a row becomes a block of labels, which takes
/// the roles of a table away from the elements; so they are named.
export function table(columns, rows, caption) {
  return el(
    "div",
    { class: "table-frame" },
    el(
      "table",
      { role: "table" },
      caption && el("caption", { class: "unseen" }, caption),
      el(
        "thead",
        { role: "rowgroup" },
        el(
          "tr",
          { role: "row" },
          columns.map((column) => el("th", { scope: "col", role: "columnheader", class: column.kind }, column.label)),
        ),
      ),
      el(
        "tbody",
        { role: "rowgroup" },
        rows.map((row) =>
          el(
            "tr",
            { role: "row" },
            columns.map((column) =>
              el("td", { role: "cell", "data-label": column.label, class: column.kind }, column.cell(row)),
            ),
          ),
        ),
      ),
    ),
  );
}

const kAsSeconds = (text) => (text === "" ? "" : String(Math.floor(new Date(text).getTime() / 1000)));

/// path: of the API. filters: as field(). fixed: goes into every request. columns: as table(). query: of the address.
/// needs: { name, text }: the filter without which nothing is asked, and what is shown then.
export function listOf({ path, filters = [], fixed = {}, columns, query, caption, place, empty, needs }) {
  const results = el("div", { class: "results" });
  const before = []; // the cursors of the pages before this one
  let latest = 0;

  async function load(cursor) {
    latest += 1;
    const mine = latest;
    const wanted = { ...fixed, ...asked(), limit: 50, cursor };
    if (needs && !wanted[needs.name]) {
      results.removeAttribute("aria-busy");
      results.replaceChildren(el("p", { class: "empty" }, needs.text));
      return;
    }
    results.setAttribute("aria-busy", "true");
    try {
      const page = await get(path, wanted);
      if (mine === latest) draw(page, cursor);
    } catch (problem) {
      if (mine === latest) results.replaceChildren(alertBox(problem.message));
    }
    if (mine === latest) results.removeAttribute("aria-busy");
  }

  function asked() {
    if (!form) return {};
    const values = {};
    for (const filter of filters) {
      const value = form.elements[filter.name].value.trim();
      values[filter.name] = filter.type === "datetime" ? kAsSeconds(value) : value;
    }
    return values;
  }

  function draw(page, cursor) {
    const turn = (target, step) => async () => {
      step();
      await load(target);
      results.querySelector("table")?.scrollIntoView({ block: "nearest" });
    };
    const back =
      before.length > 0 &&
      button(
        t("list.previous"),
        turn(before.at(-1), () => before.pop()),
      );
    const on =
      page.next &&
      button(
        t("list.next"),
        turn(page.next, () => before.push(cursor)),
      );
    // A page that took long to search may be empty and still be followed by others.
    const nothing = page.next ? t("list.empty_so_far") : (empty ?? t("list.empty"));
    results.replaceChildren(
      page.rows.length > 0 ? table(columns, page.rows, caption) : el("p", { class: "empty" }, nothing),
      el(
        "div",
        { class: "paging" },
        el("p", {}, t("list.shown", { first: number(page.rows.length), page: number(before.length + 1) })),
        back,
        on,
      ),
    );
    announce(t("list.announced", { count: number(page.rows.length) }));
  }

  const form =
    filters.length > 0 &&
    el(
      "form",
      {
        class: filters.length > 3 ? "filters many" : "filters",
        role: "search",
        on: {
          submit: (event) => {
            event.preventDefault();
            keepInAddress();
            reload();
          },
          change: (event) => {
            if (event.target.tagName === "SELECT") form.requestSubmit();
          },
        },
      },
      filters.map((filter) => field({ ...filter, value: query[filter.name] ?? filter.value ?? "" })),
      el(
        "div",
        { class: "field actions" },
        button(t("list.search"), undefined, { type: "submit", kind: "primary" }),
        button(t("list.clear"), () => {
          for (const filter of filters) form.elements[filter.name].value = filter.value ?? "";
          form.requestSubmit();
        }),
      ),
    );

  function keepInAddress() {
    if (place === undefined) return;
    const kept = new URLSearchParams();
    for (const filter of filters) {
      const value = form.elements[filter.name].value.trim();
      if (value !== "") kept.set(filter.name, value);
    }
    const text = kept.toString();
    history.replaceState(null, "", `#/${place}${text === "" ? "" : `?${text}`}`);
  }

  function reload() {
    before.length = 0;
    return load("");
  }
  reload();
  return { node: el("div", {}, form, results), reload };
}
