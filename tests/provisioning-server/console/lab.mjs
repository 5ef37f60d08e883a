// What every test of the console has: an issuer with some weeks behind it, and a browser.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { Person, launch } from "./browser.mjs";
import { Issuer } from "./issuer.mjs";

const [program, client] = process.argv.slice(2);
export const issuer = new Issuer(program, client);
export const kPages = [
  "",
  "tickets",
  "tickets/new",
  "credentials",
  "signature-profiles",
  "signature-profiles?user=CN%3DMo+Doe%2CO%3DExample+Bank",
  "devices",
  "sessions",
  "audit",
  "profiles",
  "profiles/default",
  "profiles/full",
  "accounts",
  "accounts/new",
  "accounts/helpdesk.one",
];
export let browser;

before(async () => {
  await issuer.prepare();
  await issuer.start();
  await issuer.issue("laptop", "default", "CN=Jo Doe,O=Example Bank");
  await issuer.fill();
  await issuer.issue("laptop", "pair", "CN=Mo Doe,O=Example Bank");
  await issuer.issue("laptop", "default", "CN=\\<img src\\=x onerror\\=alert(1)\\>,O=Example Bank");
  await assert.rejects(issuer.issue("stranger", "default", "CN=Eve,O=Elsewhere"));
  browser = await launch(issuer.home);
});

after(async () => {
  await browser?.close();
  assert.equal(await issuer.stop(), 0, issuer.log);
});

export async function as(role, run, options = {}) {
  const person = await Person.at(browser, issuer, options);
  if (role) await person.signIn(role);
  await run(person, person.page);
  await person.done();
}

/// The detail page of the newest credential of a subject.
export async function openCredential(person, text) {
  await person.go(`credentials?text=${encodeURIComponent(text)}`);
  await person.page.locator("tbody a").first().click();
  await person.page.getByRole("heading", { name: new RegExp(text) }).waitFor();
  await person.settled();
}
