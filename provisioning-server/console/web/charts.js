// Charts as SVG. Each has a title and a description for screen readers and the same numbers as a table; what fails is
// hatched, so that no difference is told by colour alone.

import { el, nextId, svg } from "./dom.js";
import { number, t } from "./text.js";
import { table } from "./lists.js";

const kHeight = 200;
const kMargin = { top: 12, right: 8, bottom: 24, left: 44 };

/// The end of an axis from 0 that has room for `value`, and the distance of its lines: 1, 2 or 5 times a power of ten.
function scale(value) {
  const most = Math.max(value, 4);
  const power = 10 ** Math.floor(Math.log10(most / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size * 4 >= most);
  return { end: Math.ceil(most / step) * step, step };
}

function hatching(id) {
  return svg(
    "defs",
    {},
    svg(
      "pattern",
      { id, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { class: "hatch-ground", width: 6, height: 6 }),
      svg("rect", { class: "hatch-line", width: 2.5, height: 6 }),
    ),
  );
}

function axis(width, { end, step }, y) {
  const lines = [];
  for (let value = 0; value <= end; value += step)
    lines.push(
      svg("line", {
        class: value === 0 ? "base" : "grid",
        x1: kMargin.left,
        x2: width - kMargin.right,
        y1: y(value),
        y2: y(value),
      }),
      svg("text", { translate: "no", x: kMargin.left - 8, y: y(value) + 4, "text-anchor": "end" }, number(value)),
    );
  return lines;
}

function bars(points, series, width, y, hatch) {
  const room = (width - kMargin.left - kMargin.right) / points.length;
  const size = Math.max(1, Math.min(28, room * 0.7));
  const every = Math.max(1, Math.ceil((points.length * 64) / (width - kMargin.left)));
  return points.map((point, index) => {
    const middle = kMargin.left + room * (index + 0.5);
    let below = 0;
    const stack = series
      .filter((row) => point.values[row.key] > 0)
      .map((row) => {
        const value = point.values[row.key];
        const top = y(below + value);
        const bar = svg("rect", {
          class: `bar ${row.tone}`,
          x: middle - size / 2,
          y: top,
          width: size,
          height: Math.max(1, y(below) - top),
          fill: row.hatched ? `url(#${hatch})` : undefined,
        });
        below += value;
        return bar;
      });
    const tip = [point.label, ...series.map((row) => `${row.label}: ${number(point.values[row.key] ?? 0)}`)].join("\n");
    return svg(
      "g",
      {},
      svg("title", {}, tip),
      svg("rect", {
        class: "column",
        x: middle - room / 2,
        y: kMargin.top,
        width: room,
        height: kHeight - kMargin.top - kMargin.bottom,
      }),
      stack,
      index % every === 0 &&
        svg("text", { translate: "no", x: middle, y: kHeight - 6, "text-anchor": "middle" }, point.short),
    );
  });
}

/// points: { label, short, values: { key: number } }; series: { key, label, tone, hatched }, the lowest one first.
export function barChart({ title, description, points, series, first }) {
  const picture = el("div", { class: "picture" });
  const [titleId, textId, hatch] = [nextId("chart"), nextId("chart"), nextId("hatch")];
  const sum = (point) => series.reduce((total, row) => total + (point.values[row.key] ?? 0), 0);
  const range = scale(Math.max(0, ...points.map(sum)));
  const height = kHeight - kMargin.top - kMargin.bottom;
  const y = (value) => kMargin.top + height - (value / range.end) * height;

  function draw(width) {
    picture.replaceChildren(
      svg(
        "svg",
        {
          role: "img",
          "aria-labelledby": `${titleId} ${textId}`,
          width,
          height: kHeight,
          viewBox: `0 0 ${width} ${kHeight}`,
          class: "chart",
        },
        svg("title", { id: titleId }, title),
        svg("desc", { id: textId }, description),
        hatching(hatch),
        axis(width, range, y),
        bars(points, series, width, y, hatch),
      ),
    );
  }
  // Drawn for the width that there is: letters keep their size on a narrow screen.
  let drawn = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.round(entry.contentRect.width);
    if (width > 0 && width !== drawn) draw((drawn = width));
  }).observe(picture);

  return el("figure", {}, series.length > 1 && legend(series), picture, alternative(title, points, series, first));
}

function legend(series) {
  return el(
    "ul",
    { class: "legend" },
    series.map((row) => {
      const id = nextId("hatch");
      return el(
        "li",
        {},
        svg(
          "svg",
          { width: 14, height: 14, "aria-hidden": "true" },
          hatching(id),
          svg("rect", {
            class: `bar ${row.tone}`,
            width: 14,
            height: 14,
            fill: row.hatched ? `url(#${id})` : undefined,
          }),
        ),
        row.label,
      );
    }),
  );
}

function alternative(title, points, series, first) {
  const columns = [
    { label: first, cell: (point) => el("span", { translate: "no" }, point.label) },
    ...series.map((row) => ({ label: row.label, kind: "number", cell: (point) => number(point.values[row.key] ?? 0) })),
  ];
  return el("details", {}, el("summary", {}, t("chart.table")), table(columns, [...points].reverse(), title));
}

/// rows: { label: node, value }: a table with a bar in each row.
export function barTable({ title, rows, first, second }) {
  const most = Math.max(1, ...rows.map((row) => row.value));
  const bar = (row) =>
    svg(
      "svg",
      { class: "chart inline", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "bar bad", width: (row.value / most) * 100, height: 10 }),
    );
  return table(
    [
      { label: first, cell: (row) => row.label },
      {
        label: second,
        kind: "number bar-cell",
        cell: (row) => el("span", { class: "bar-value" }, bar(row), el("span", {}, number(row.value))),
      },
    ],
    rows,
    title,
  );
}
