// The answer to a ticket that was made, shown once: the server keeps a digest only.

import { el } from "./dom.js";
import { t } from "./text.js";
import { copyField, facts, tell, time } from "./widgets.js";

/// The QR code as a picture: an SVG in an <img> runs no script and loads nothing, however it is drawn.
function qrCode(text) {
  return el("img", { class: "qr", alt: t("issued.qr"), src: `data:image/svg+xml,${encodeURIComponent(text)}` });
}

export function showTicket(ticket, title) {
  return tell({
    title,
    close: t("issued.close"),
    content: [
      el("p", { class: "hint" }, t("issued.once")),
      el(
        "div",
        { class: "issued" },
        ticket.qr && qrCode(ticket.qr),
        el(
          "div",
          { class: "issued-texts" },
          ticket.link && copyField(t("issued.link"), ticket.link),
          ticket.keygen2 && copyField(t("issued.keygen2"), ticket.keygen2),
          ticket.command && copyField(t("issued.command"), ticket.command),
        ),
      ),
      facts([t("issued.expires"), ticket.expires ? time(ticket.expires, { exact: true }) : undefined]),
    ],
  });
}
