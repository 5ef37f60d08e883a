// What people read, from locales/*.json, and how numbers and times look there.

let texts = {};
let format = "en-GB";

const kChoice = "sks-console-language";
export const kLanguages = ["en", "de"];

/// The language that was chosen here, or else the one that the server has found in Accept-Language.
export function language() {
  const chosen = localStorage.getItem(kChoice);
  return kLanguages.includes(chosen) ? chosen : document.documentElement.lang;
}

export async function loadTexts() {
  const name = language();
  const response = await fetch(`/console/locales/${name}.json`);
  texts = await response.json();
  format = texts["language.format"];
  document.documentElement.lang = name;
}

export async function chooseLanguage(name) {
  localStorage.setItem(kChoice, name);
  await loadTexts();
}

/// The text of a key with its {names} filled in.
export function t(key, values = {}) {
  const text = Object.hasOwn(texts, key) ? texts[key] : key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (Object.hasOwn(values, name) ? String(values[name]) : whole));
}

/// A word of the server (a status, a reason) in the language of the reader; as it is when it is a new one.
export function word(group, value) {
  const key = `${group}.${value}`;
  return Object.hasOwn(texts, key) ? texts[key] : String(value ?? "");
}
export function isKnown(group, value) {
  return Object.hasOwn(texts, `${group}.${value}`);
}

export function number(value) {
  return new Intl.NumberFormat(format).format(value ?? 0);
}

const kDay = { year: "numeric", month: "short", day: "2-digit" };
const kMinute = { hour: "2-digit", minute: "2-digit" };

export function dateTime(seconds) {
  return new Intl.DateTimeFormat(format, { ...kDay, ...kMinute }).format(seconds * 1000);
}
export function dateTimeExact(seconds) {
  return new Intl.DateTimeFormat(format, { ...kDay, ...kMinute, second: "2-digit", timeZoneName: "short" }).format(
    seconds * 1000,
  );
}
export function day(seconds, options = {}) {
  return new Intl.DateTimeFormat(format, { month: "short", day: "numeric", ...options }).format(seconds * 1000);
}
export function hour(seconds) {
  return new Intl.DateTimeFormat(format, kMinute).format(seconds * 1000);
}
export function list(words) {
  return new Intl.ListFormat(format, { type: "conjunction" }).format(words);
}
