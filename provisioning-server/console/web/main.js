// The frame around the pages: who is signed in, where one can go, which page the address names.

import { Problem, get, post, whenSignedOut } from "./api.js";
import { data, el } from "./dom.js";
import { chooseLanguage, kLanguages, language, list, loadTexts, t, word } from "./text.js";
import { alertBox, button, notify, notifyFailure, takeNotice } from "./widgets.js";
import { accountPage, accountsPage, newAccountPage } from "./page_accounts.js";
import { auditPage } from "./page_audit.js";
import { credentialPage, credentialsPage } from "./page_credentials.js";
import { dashboardPage } from "./page_dashboard.js";
import { devicePage, devicesPage } from "./page_devices.js";
import { loginPage } from "./page_login.js";
import { profilePage, profilesPage } from "./page_profiles.js";
import { sessionPage, sessionsPage } from "./page_sessions.js";
import { signatureProfilesPage } from "./page_signature_profiles.js";
import { newTicketPage, ticketPage, ticketsPage } from "./page_tickets.js";

// path: segments, ":name" for a value. right: as /me names it. In the menu: the rows with a text for it.
const kPages = [
  { path: "", right: "view-overview", menu: "menu.dashboard", page: dashboardPage },
  { path: "tickets", right: "view-tickets", menu: "menu.tickets", page: ticketsPage },
  { path: "tickets/new", right: "manage-tickets", page: newTicketPage },
  { path: "tickets/:id", right: "view-tickets", page: ticketPage },
  { path: "credentials", right: "view-credentials", menu: "menu.credentials", page: credentialsPage },
  { path: "credentials/:fingerprint", right: "view-credentials", page: credentialPage },
  {
    path: "signature-profiles",
    right: "view-signature-profiles",
    menu: "menu.signatures",
    page: signatureProfilesPage,
  },
  { path: "devices", right: "view-devices", menu: "menu.devices", page: devicesPage },
  { path: "devices/:fingerprint", right: "view-devices", page: devicePage },
  { path: "sessions", right: "view-sessions", menu: "menu.sessions", page: sessionsPage },
  { path: "sessions/:id", right: "view-sessions", page: sessionPage },
  { path: "audit", right: "view-audit", menu: "menu.audit", page: auditPage },
  { path: "profiles", right: "view-profiles", menu: "menu.profiles", page: profilesPage },
  { path: "profiles/:name", right: "view-profiles", page: profilePage },
  { path: "accounts", right: "view-accounts", menu: "menu.accounts", page: accountsPage },
  { path: "accounts/new", right: "manage-accounts", page: newAccountPage },
  { path: "accounts/:name", right: "view-accounts", page: accountPage },
];

let me = null;
let shown = 0;

const may = (right) => me?.rights.includes(right) ?? false;

/// { row, params, query } for the address, or null.
function locate() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const segments = path.split("/");
  for (const row of kPages) {
    const pattern = row.path.split("/");
    if (pattern.length !== segments.length) continue;
    const params = {};
    const fits = pattern.every((part, i) => {
      if (!part.startsWith(":")) return part === segments[i];
      params[part.slice(1)] = decoded(segments[i]);
      return params[part.slice(1)] !== "";
    });
    if (fits) return { row, params, query: Object.fromEntries(new URLSearchParams(search)) };
  }
  return null;
}

function decoded(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}

/// The first page that the caller may see, for those who may not see the dashboard.
function home() {
  return kPages.find((row) => row.menu && may(row.right));
}

function languageSwitch() {
  const select = el(
    "select",
    {
      id: "language",
      on: {
        change: async () => {
          await chooseLanguage(select.value);
          draw();
          document.getElementById("language").focus();
        },
      },
    },
    kLanguages.map((name) =>
      el("option", { value: name, lang: name, selected: name === language() }, t(`language.${name}`)),
    ),
  );
  return el(
    "div",
    { class: "language" },
    el("label", { for: "language", class: "unseen" }, t("language.label")),
    select,
  );
}

function menu(current) {
  const toggle = button(
    t("menu.open"),
    () => {
      const open = toggle.getAttribute("aria-expanded") !== "true";
      toggle.setAttribute("aria-expanded", String(open));
    },
    { kind: "menu-toggle", "aria-expanded": "false", "aria-controls": "menu" },
  );
  const items = kPages
    .filter((row) => row.menu && may(row.right))
    .map((row) => {
      const isCurrent = current !== null && current.path.split("/")[0] === row.path;
      return el(
        "li",
        {},
        el("a", { href: `#/${row.path}`, "aria-current": isCurrent ? "page" : undefined }, t(row.menu)),
      );
    });
  return [toggle, el("nav", { id: "menu", "aria-label": t("menu.label") }, el("ul", {}, items))];
}

function brand() {
  return el(
    "a",
    { class: "brand", href: "#/" },
    el("img", { src: "/console/icon.svg", alt: "", width: 28, height: 28 }),
    t("app.name"),
  );
}

function account() {
  const roles = list((me.roles ?? []).map((role) => word("role", role)));
  return el(
    "div",
    { class: "account" },
    el("p", {}, el("strong", {}, data(me.name)), el("span", { class: "roles" }, roles)),
    button(t("account.sign_out"), signOut, { kind: "small" }),
  );
}

function frame(current) {
  const main = el("main", { id: "main", tabindex: "-1" });
  const skip = el(
    "a",
    {
      class: "skip",
      href: "#main",
      on: {
        click: (event) => {
          event.preventDefault();
          main.focus();
        },
      },
    },
    t("app.skip"),
  );
  document.body.className = "";
  document.body.replaceChildren(
    skip,
    el("header", {}, brand(), menu(current), el("div", { class: "corner" }, account(), languageSwitch())),
    el("div", { class: "page" }, el("div", { id: "notice", role: "status" }), main),
    el("div", { id: "announcement", class: "unseen", role: "status" }),
  );
  const notice = takeNotice();
  if (notice !== null) notify(notice);
  return main;
}

async function draw({ moved = false } = {}) {
  shown += 1;
  const mine = shown;
  if (me === null) return drawLogin();
  const found = locate();
  if (found?.row.path === "" && !may(found.row.right) && home()) {
    location.replace(`#/${home().path}`);
    return;
  }
  const main = frame(found?.row ?? null);
  let content;
  try {
    if (found === null) throw new Problem(404, t("error.no_page"));
    if (!may(found.row.right)) throw new Problem(403, t("error.no_right"));
    main.setAttribute("aria-busy", "true");
    content = await found.row.page({ ...found, may, me, redraw: () => draw() });
  } catch (problem) {
    if (!(problem instanceof Problem)) console.error(problem);
    content = { title: t("error.title"), content: [alertBox(problem.message)] };
  }
  if (mine !== shown || me === null) return;
  main.removeAttribute("aria-busy");
  const actions = (content.actions ?? []).filter(Boolean);
  const heading = el("h1", { tabindex: "-1" }, content.title);
  main.replaceChildren(
    content.above ? el("p", { class: "above" }, content.above) : "",
    el("div", { class: "head" }, heading, actions.length > 0 && el("div", { class: "buttons" }, actions)),
    ...content.content.flat().filter(Boolean),
  );
  document.title = t("app.page_title", { page: heading.textContent });
  if (moved) heading.focus();
  window.scrollTo(0, 0);
}

function drawLogin(sentence) {
  document.body.className = "outside";
  document.title = t("app.page_title", { page: t("login.title") });
  document.body.replaceChildren(
    el("header", {}, brand(), languageSwitch()),
    el(
      "main",
      { id: "main" },
      loginPage(sentence, async () => {
        me = await get("/me");
        draw({ moved: true });
      }),
    ),
  );
}

async function signOut() {
  try {
    await post("/logout");
  } catch (problem) {
    notifyFailure(t("account.not_signed_out", { reason: problem.message }));
    return;
  }
  me = null;
  // A client certificate comes with every connection: only the browser can let go of it.
  const again = await get("/me").catch(() => null);
  drawLogin(t(again === null ? "login.signed_out" : "login.certificate_stays"));
}

async function start() {
  await loadTexts();
  try {
    me = await get("/me");
  } catch (problem) {
    if (problem.status !== 401) return drawLogin(problem.message);
  }
  // From here on: the address stays, so that whoever signs in again is where the session has ended.
  whenSignedOut(() => {
    if (me === null) return;
    me = null;
    for (const dialog of document.querySelectorAll("dialog")) dialog.close();
    drawLogin(t("login.expired"));
  });
  window.addEventListener("hashchange", () => draw({ moved: true }));
  draw();
}

start();
