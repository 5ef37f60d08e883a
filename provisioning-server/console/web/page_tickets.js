import { at, get, post, remove } from "./api.js";
import { code, data, el } from "./dom.js";
import { showTicket } from "./issued_ticket.js";
import { listOf } from "./lists.js";
import { t } from "./text.js";
import {
  ask,
  badge,
  button,
  card,
  facts,
  field,
  link,
  notify,
  orNone,
  pageForm,
  profileName,
  sessionName,
  time,
} from "./widgets.js";

const kStates = ["open", "used", "expired"];

export async function profileOptions(may, all) {
  const options = all ? [["", t("filter.any")]] : [];
  if (!may("view-profiles")) return options;
  const { rows } = await get("/profiles");
  return [...options, ...rows.map((row) => [row.name, row.name])];
}

export async function ticketsPage({ may, query }) {
  const list = listOf({
    path: "/tickets",
    place: "tickets",
    query,
    caption: t("tickets.title"),
    empty: t("tickets.empty"),
    filters: [
      { name: "text", label: t("tickets.subject"), type: "search" },
      {
        name: "state",
        label: t("tickets.state"),
        type: "select",
        options: [["", t("filter.any")], ...kStates.map((state) => [state, t(`state.${state}`)])],
      },
      { name: "profile", label: t("profile.label"), type: "select", options: await profileOptions(may, true) },
    ],
    columns: [
      { label: t("tickets.created"), cell: (row) => time(row.created) },
      {
        label: t("tickets.subject"),
        kind: "wide",
        cell: (row) => link(at`tickets/${row.id}`, row.subject ? data(row.subject) : t("tickets.no_subject")),
      },
      { label: t("profile.label"), cell: (row) => data(row.profile) },
      { label: t("tickets.state"), cell: (row) => badge("state", row.state) },
      { label: t("tickets.expires"), cell: (row) => time(row.expires) },
      { label: t("tickets.creator"), cell: (row) => orNone(row.creator) },
    ],
  });
  return {
    title: t("tickets.title"),
    actions: [may("manage-tickets") && el("a", { class: "button primary", href: "#/tickets/new" }, t("tickets.new"))],
    content: [list.node],
  };
}

export async function newTicketPage({ may, query }) {
  const options = await profileOptions(may, false);
  const form = pageForm({
    confirm: t("tickets.create"),
    cancel: "tickets",
    run: async ({ elements }) => {
      const ticket = await post("/tickets", request(elements));
      await showTicket(ticket, t("issued.title"));
      location.hash = at`#/tickets/${ticket.id}`;
    },
    fields: [
      field({
        name: "profile",
        type: "select",
        label: t("profile.label"),
        options,
        value: query.profile ?? "",
        required: true,
      }),
      field({
        name: "subject",
        label: t("tickets.subject"),
        hint: t("tickets.subject_hint"),
        spellcheck: "false",
        autocomplete: "off",
        value: query.subject ?? "",
      }),
      field({ name: "minutes", type: "number", label: t("tickets.minutes"), min: 1, hint: t("tickets.minutes_hint") }),
      el(
        "details",
        {},
        el("summary", {}, t("tickets.more")),
        field({
          name: "data",
          type: "textarea",
          label: t("tickets.data"),
          hint: t("tickets.data_hint"),
          rows: 5,
          spellcheck: "false",
        }),
      ),
    ],
  });
  return { title: t("tickets.new"), above: link("tickets", t("tickets.title")), content: [form] };
}

function request({ profile, subject, minutes, data: more }) {
  const body = { profile: profile.value };
  if (subject.value.trim() !== "") body.subject = subject.value.trim();
  if (minutes.value !== "") body.minutes = Number(minutes.value);
  if (more.value.trim() === "") return body;
  let value;
  try {
    value = JSON.parse(more.value);
  } catch {
    throw new Error(t("tickets.data_wrong"));
  }
  return { ...body, data: value };
}

export async function ticketPage({ params, may, redraw }) {
  const ticket = await get(at`/tickets/${params.id}`);
  const cancel =
    may("manage-tickets") &&
    ticket.state === "open" &&
    button(
      t("tickets.cancel"),
      () =>
        ask({
          title: t("tickets.cancel"),
          text: [t("tickets.cancel_text")],
          confirm: t("tickets.cancel"),
          danger: true,
          run: async () => {
            await remove(at`/tickets/${params.id}`);
            return true;
          },
        }).then(async (done) => {
          if (!done) return;
          await redraw();
          notify(t("tickets.cancelled"));
        }),
      { kind: "danger" },
    );
  return {
    title: ticket.subject ? data(ticket.subject) : t("tickets.no_subject"),
    above: link("tickets", t("tickets.title")),
    actions: [cancel],
    content: [
      card(
        t("tickets.one"),
        facts(
          [t("tickets.state"), badge("state", ticket.state)],
          [t("profile.label"), profileName(ticket.profile, may)],
          [t("tickets.created"), time(ticket.created, { exact: true })],
          [t("tickets.expires"), time(ticket.expires, { exact: true })],
          [t("tickets.used"), ticket.used ? time(ticket.used, { exact: true }) : undefined],
          [t("tickets.creator"), orNone(ticket.creator)],
          [t("session.one"), ticket.session && sessionName(ticket.session, may)],
          [t("tickets.data"), ticket.data && el("pre", { translate: "no" }, JSON.stringify(ticket.data, null, 2))],
          [t("tickets.id"), code(params.id)],
        ),
      ),
      el("p", { class: "hint" }, t("tickets.secret_gone")),
    ],
  };
}
