import { at, get } from "./api.js";
import { code, data, el } from "./dom.js";
import { listOf, table } from "./lists.js";
import { isKnown, t, word } from "./text.js";
import {
  badge,
  card,
  deviceName,
  facts,
  link,
  orNone,
  profileName,
  resultBadge,
  shortHex,
  ticketName,
  time,
} from "./widgets.js";
import { credentialColumns } from "./page_credentials.js";
import { auditColumns } from "./page_audit.js";
import { profileOptions } from "./page_tickets.js";

const kStates = ["open", "done", "aborted"];

/// Over or not; and if not, where in the protocol it is.
function phase(session) {
  if (session.phase === "done" || session.phase === "aborted") return badge("state", session.phase);
  return el("span", {}, badge("state", "open"), " ", el("span", { class: "small" }, word("phase", session.phase)));
}

export async function sessionsPage({ may, query }) {
  const list = listOf({
    path: "/sessions",
    place: "sessions",
    query,
    caption: t("sessions.title"),
    empty: t("sessions.empty"),
    filters: [
      { name: "text", label: t("tickets.subject"), type: "search" },
      {
        name: "state",
        label: t("session.state"),
        type: "select",
        options: [["", t("filter.any")], ...kStates.map((state) => [state, t(`state.${state}`)])],
      },
      { name: "profile", label: t("profile.label"), type: "select", options: await profileOptions(may, true) },
      { name: "device", label: t("device.one"), spellcheck: "false" },
    ],
    columns: [
      { label: t("session.started"), cell: (row) => link(at`sessions/${row.id}`, time(row.created)) },
      { label: t("tickets.subject"), kind: "wide", cell: (row) => orNone(row.subject) },
      { label: t("profile.label"), cell: (row) => data(row.profile) },
      { label: t("session.state"), cell: phase },
      { label: t("session.result"), cell: (row) => resultBadge(row.result) },
      { label: t("device.one"), cell: (row) => deviceName(row.device, may) },
    ],
  });
  return { title: t("sessions.title"), content: [list.node] };
}

export async function sessionPage({ params, may }) {
  const session = await get(at`/sessions/${params.id}`);
  return {
    title: session.subject ? data(session.subject) : t("session.one"),
    above: link("sessions", t("sessions.title")),
    content: [
      card(
        t("session.one"),
        facts(
          [t("session.state"), phase(session)],
          [t("session.result"), session.result ? resultBadge(session.result) : undefined],
          [t("session.meaning"), isKnown("reason_text", session.result) && word("reason_text", session.result)],
          [t("profile.label"), profileName(session.profile, may)],
          [t("profile.digest"), session.profile_digest ? shortHex(session.profile_digest) : undefined],
          [t("session.started"), time(session.created, { exact: true })],
          [t("session.ended"), session.ended ? time(session.ended, { exact: true }) : undefined],
          [t("session.expires"), session.ended ? undefined : time(session.expires, { exact: true })],
          [t("device.one"), session.device && deviceName(session.device, may)],
          [t("tickets.one"), ticketName(session.ticket, may)],
          [t("session.has_puk"), t(session.has_puk ? "value.yes" : "value.no")],
          [t("session.server_id"), code(session.id)],
          [t("session.client_id"), session.client_session_id ? code(session.client_session_id) : undefined],
        ),
      ),
      may("view-credentials") &&
        card(
          t("session.credentials"),
          session.credentials.length > 0
            ? table(credentialColumns(), session.credentials, t("session.credentials"))
            : el("p", { class: "empty" }, t("session.no_credentials")),
        ),
      may("view-audit") &&
        card(
          t("audit.title"),
          listOf({
            path: "/audit",
            query: {},
            caption: t("audit.title"),
            fixed: { session: params.id },
            columns: auditColumns({ may, inSession: true }),
          }).node,
        ),
    ],
  };
}
