import { get } from "./api.js";
import { barChart, barTable } from "./charts.js";
import { el } from "./dom.js";
import { dateTime, day, hour, number, t } from "./text.js";
import { alertBox, card, facts, field, orNone, resultBadge } from "./widgets.js";

const kHour = 3600;
const kDay = 24 * kHour;
// What the charts can show. The last interval is the one that is not over yet.
const kRanges = {
  day: { interval: "hour", seconds: kHour, count: 24 },
  week: { interval: "day", seconds: kDay, count: 7 },
  month: { interval: "day", seconds: kDay, count: 30 },
  quarter: { interval: "day", seconds: kDay, count: 90 },
};

function tile(label, value, to) {
  const inside = [el("span", { class: "tile-value" }, number(value)), el("span", { class: "tile-label" }, label)];
  return to ? el("a", { class: "tile", href: `#/${to}` }, inside) : el("div", { class: "tile" }, inside);
}

function tiles(overview, may) {
  const credentials = overview.credentials ?? {};
  const to = (what, where) => (may(what) ? where : undefined);
  return el(
    "div",
    { class: "tiles" },
    tile(t("dashboard.issued"), credentials.issued, to("view-credentials", "credentials?status=issued")),
    tile(t("dashboard.suspended"), credentials.suspended, to("view-credentials", "credentials?status=suspended")),
    tile(t("dashboard.revoked"), credentials.revoked, to("view-credentials", "credentials?status=revoked")),
    tile(t("dashboard.devices"), overview.devices, to("view-devices", "devices")),
    tile(t("dashboard.open_tickets"), overview.open_tickets, to("view-tickets", "tickets?state=open")),
    tile(t("dashboard.open_sessions"), overview.open_sessions, to("view-sessions", "sessions?state=open")),
  );
}

function pointsOf(statistics, range) {
  return statistics.points.map((point) => {
    let refused = 0;
    for (const [result, count] of Object.entries(point.sessions ?? {})) if (result !== "ok") refused += count;
    return {
      label: range.seconds === kHour ? dateTime(point.start) : day(point.start, { timeZone: "UTC", year: "numeric" }),
      short: range.seconds === kHour ? hour(point.start) : day(point.start, { timeZone: "UTC" }),
      values: { credentials: point.credentials, ok: point.sessions?.ok ?? 0, refused },
    };
  });
}

function reasonsOf(statistics) {
  const counts = new Map();
  for (const point of statistics.points)
    for (const [result, count] of Object.entries(point.sessions ?? {}))
      if (result !== "ok") counts.set(result, (counts.get(result) ?? 0) + count);
  return [...counts]
    .map(([result, value]) => ({ label: resultBadge(result), value }))
    .sort((a, b) => b.value - a.value);
}

async function charts(range) {
  const end = (Math.floor(Date.now() / 1000 / range.seconds) + 1) * range.seconds;
  const statistics = await get("/statistics", {
    from: end - range.count * range.seconds,
    to: end,
    interval: range.interval,
  });
  const points = pointsOf(statistics, range);
  const total = (key) => points.reduce((sum, point) => sum + point.values[key], 0);
  const first = t(range.interval === "hour" ? "chart.hour" : "chart.day");
  const reasons = reasonsOf(statistics);
  return [
    card(
      t("dashboard.issuance"),
      barChart({
        title: t("dashboard.issuance"),
        first,
        points,
        description: t("dashboard.issuance_text", { count: number(total("credentials")) }),
        series: [{ key: "credentials", label: t("dashboard.credentials"), tone: "main" }],
      }),
    ),
    card(
      t("dashboard.sessions"),
      barChart({
        title: t("dashboard.sessions"),
        first,
        points,
        description: t("dashboard.sessions_text", { ok: number(total("ok")), refused: number(total("refused")) }),
        series: [
          { key: "ok", label: t("dashboard.completed"), tone: "good" },
          { key: "refused", label: t("dashboard.refused"), tone: "bad", hatched: true },
        ],
      }),
    ),
    card(
      t("dashboard.reasons"),
      reasons.length === 0
        ? el("p", { class: "empty" }, t("dashboard.no_refusals"))
        : barTable({
            title: t("dashboard.reasons"),
            rows: reasons,
            first: t("session.result"),
            second: t("dashboard.sessions_count"),
          }),
    ),
  ];
}

export async function dashboardPage({ may }) {
  const overview = await get("/overview");
  const place = el("div", { class: "charts" });
  const choose = field({
    name: "range",
    type: "select",
    label: t("dashboard.range"),
    value: "month",
    options: Object.keys(kRanges).map((name) => [name, t(`dashboard.range_${name}`)]),
  });
  const select = choose.querySelector("select");
  const server = card(
    t("dashboard.server"),
    facts(
      [t("dashboard.version"), orNone(overview.version)],
      [t("dashboard.database"), orNone(overview.database)],
      [t("dashboard.node"), orNone(overview.node)],
    ),
  );
  async function redraw() {
    place.setAttribute("aria-busy", "true");
    try {
      place.replaceChildren(...(await charts(kRanges[select.value])), server);
    } catch (problem) {
      place.replaceChildren(alertBox(problem.message));
    }
    place.removeAttribute("aria-busy");
  }
  select.addEventListener("change", redraw);
  await redraw();
  return {
    title: t("dashboard.title"),
    actions: [may("manage-tickets") && el("a", { class: "button primary", href: "#/tickets/new" }, t("tickets.new"))],
    content: [tiles(overview, may), el("div", { class: "range" }, choose), place],
  };
}
