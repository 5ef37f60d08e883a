// What the certificate of a device and the attestations of its keys say, in sentences, under the device trust in force.

import { data, el } from "./dom.js";
import { t } from "./text.js";

function sentence(key, values) {
  return el("p", {}, t(key, values));
}

function points(title, keys) {
  return el(
    "div",
    {},
    el("h3", {}, t(title)),
    el(
      "ul",
      {},
      keys.map((key) => el("li", {}, t(key))),
    ),
  );
}

const kProves = ["attestation.proves_made", "attestation.proves_policy", "attestation.proves_session"];
const kProvesNot = ["attestation.not_person", "attestation.not_later"];

/// trust: the mode. Each has what it makes of an attestation, and what it leaves open.
const kModes = {
  open: { says: "attestation.open", not: "attestation.not_device_open" },
  registered: { says: "attestation.registered_mode", not: "attestation.not_device_registered" },
  ca: { says: "attestation.ca", not: "attestation.not_device_ca" },
};

function aboutCertificate(device) {
  const leaf = device.path?.[0];
  if (!leaf) return [sentence("attestation.no_certificate")];
  const authority =
    leaf.issuer === leaf.subject
      ? el("p", {}, t("attestation.self_signed"))
      : el("p", {}, t("attestation.certified_by"), " ", data(leaf.issuer, { class: "about" }));
  return [el("p", {}, t("attestation.certificate"), " ", data(leaf.subject, { class: "about" })), authority];
}

export function explain(device) {
  const { device_trust: trust, accepted, refusal } = device.attestation;
  const mode = kModes[trust];
  return [
    ...aboutCertificate(device),
    mode && sentence(mode.says),
    accepted
      ? el("p", { class: "fine" }, t("attestation.accepted"))
      : el("p", { class: "alert" }, t("attestation.refused"), " ", data(refusal)),
    el(
      "div",
      { class: "columns" },
      points("attestation.proves", kProves),
      points("attestation.proves_not", [...kProvesNot, ...(mode ? [mode.not] : [])]),
    ),
  ];
}
