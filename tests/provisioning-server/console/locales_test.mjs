// The texts of the console: the same keys in every language, all of them used, with the same {names} in them.
//
// usage: node locales_test.mjs

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const console_ = new URL("../../../provisioning-server/console/", import.meta.url);
const read = (name) => readFileSync(new URL(name, console_), "utf8");
const languages = readdirSync(new URL("locales/", console_)).map((name) => name.replace(".json", ""));
const locales = Object.fromEntries(languages.map((name) => [name, JSON.parse(read(`locales/${name}.json`))]));
const keys = Object.keys(locales.en);
const sources = readdirSync(new URL("web/", console_)).filter((name) => /\.(js|html)$/.test(name));
const source = sources.map((name) => read(`web/${name}`)).join("\n");

test("there are English and German", () => assert.deepEqual(languages.sort(), ["de", "en"]));

test("every language has the same keys, in the same order, once", () => {
  for (const language of languages) {
    assert.deepEqual(Object.keys(locales[language]), keys, language);
    const lines = read(`locales/${language}.json`)
      .split("\n")
      .filter((line) => line.includes('": "'));
    assert.equal(lines.length, keys.length, `${language}: a key stands there twice`);
  }
});

test("every text has the same {names} in every language, and none is empty", () => {
  const names = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();
  for (const key of keys)
    for (const language of languages) {
      assert.notEqual(locales[language][key].trim(), "", `${language}: ${key}`);
      assert.deepEqual(names(locales[language][key]), names(locales.en[key]), `${language}: ${key}`);
    }
});

test("every key that the pages name has a text", () => {
  const named = [...source.matchAll(/\bt\("([^"]+)"/g), ...source.matchAll(/\{\{(\w+\.\w+)\}\}/g)].map(
    (match) => match[1],
  );
  assert.ok(named.length > 100);
  assert.deepEqual(
    named.filter((key) => !keys.includes(key)),
    [],
  );
});

test("every key is used", () => {
  // As a whole, or as a word of a group: word("status", ...), badge("status", ...), t(`status.${...}`).
  const whole = new Set(
    [...source.matchAll(/"([\w.-]+)"/g), ...source.matchAll(/\{\{([\w.]+)\}\}/g)].map((match) => match[1]),
  );
  const groups = [...source.matchAll(/\b(?:word|badge)\("(\w+)"/g)].map((match) => `${match[1]}.`);
  const templates = [...source.matchAll(/\bt\(`([\w.]+)\$\{/g)].map((match) => match[1]);
  const starts = [...groups, ...templates];
  assert.deepEqual(
    keys.filter((key) => !whole.has(key) && !starts.some((start) => key.startsWith(start))),
    [],
  );
});

test("every word of the server that lists show has a text", () => {
  const server = new URL("../../../provisioning-server/", import.meta.url);
  const refusals = readFileSync(new URL("refusal.cpp", server), "utf8");
  const words = [...refusals.matchAll(/\{Refusal::\w+, "([\w-]+)"/g)].map((match) => `reason.${match[1]}`);
  assert.ok(words.length > 15);
  const api = JSON.parse(readFileSync(new URL("admin_api/openapi.json", server)));
  const statuses = api.paths["/credentials"].get.parameters.find(({ name }) => name === "status").schema.enum;
  words.push(...statuses.filter((status) => status !== "any").map((status) => `status.${status}`));
  assert.deepEqual(
    words.filter((key) => !keys.includes(key)),
    [],
  );
});

test("nothing becomes markup", () => {
  assert.doesNotMatch(
    source,
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|createContextualFragment/,
  );
  assert.doesNotMatch(read("web/index.html"), /<style|style=|<script(?![^>]*src=)|\son\w+=/);
});

test("nothing comes from elsewhere", () => {
  const styles = read("web/console.css");
  assert.doesNotMatch(styles, /@import|url\(/);
  const addresses = [...(source + styles).matchAll(/https?:\/\/[^"\s]+/g)].map((match) => match[0]);
  assert.deepEqual(addresses, ["http://www.w3.org/2000/svg"]);
});
