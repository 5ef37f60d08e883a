// A profile in words.

import { list, number, t, word } from "./text.js";

const kMinute = 60;

function pinLines(policy) {
  const values = {
    min: number(policy.min_length),
    max: number(policy.max_length),
    tries: number(policy.retry_limit),
    keys: number(policy.keys),
  };
  return [
    t("summary.pin", values),
    t(policy.retry_limit === 0 ? "summary.pin_no_limit" : "summary.pin_limit", values),
    t(policy.user_modifiable ? "summary.pin_modifiable" : "summary.pin_fixed"),
  ].join(" ");
}

function keyLine(key) {
  const algorithm = key.algorithm.slice(key.algorithm.lastIndexOf("#") + 1);
  const line = t("summary.key", { name: key.friendly_name || algorithm, use: word("use", key.app_usage), algorithm });
  if (key.endorsed_algorithms.length === 0) return line;
  const names = key.endorsed_algorithms.map((uri) => uri.slice(uri.lastIndexOf("#") + 1));
  return `${line} ${t("summary.endorsed", { algorithms: list(names) })}`;
}

/// A row of the list, in one line.
export function overview(row) {
  return [
    t(row.keys === 0 ? "summary.manages" : "summary.keys", { count: number(row.keys) }),
    row.pin_policies > 0 && t("summary.with_pin"),
    row.has_puk && t("summary.with_puk"),
    row.lookups > 0 && t("summary.with_lookups"),
    row.privacy_enabled && t("summary.anonymous"),
    row.keys > 0 && t("summary.validity", { days: number(row.validity_days) }),
  ]
    .filter(Boolean)
    .join(" ");
}

/// The sentences about one profile.
export function summary({ decoded, lookups }) {
  return [
    decoded.keys.length === 0 && t("summary.manages"),
    ...decoded.keys.map(keyLine),
    ...decoded.pin_policies.map(pinLines),
    decoded.puk_policy ? t("summary.puk", { length: number(decoded.puk_policy.length) }) : t("summary.no_puk"),
    t("summary.validity", { days: number(decoded.certificate.validity_days) }),
    decoded.certificate.email_from_subject && t("summary.email"),
    lookups > 0 && t("summary.with_lookups"),
    t(decoded.privacy_enabled ? "summary.anonymous" : "summary.known_device"),
    t("summary.session", { minutes: number(Math.ceil(decoded.session_life_time / kMinute)) }),
  ].filter(Boolean);
}
