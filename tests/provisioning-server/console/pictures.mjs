// The pictures of docs/issuers/console.md.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { as } from "./lab.mjs";

// name: role, place, what to do there.
const kPictures = {
  "sign-in": [null, ""],
  dashboard: ["officer", ""],
  "dashboard-dark": ["officer", "", null, { colorScheme: "dark", locale: "de-DE" }],
  tickets: ["officer", "tickets"],
  "new-ticket": [
    "officer",
    "tickets/new",
    async (person, page) => page.getByLabel("Subject").fill("CN=Lena Fuchs,O=Example Bank"),
  ],
  "ticket-issued": [
    "officer",
    "tickets/new",
    async (person, page) => {
      await page.getByLabel("Subject").fill("CN=Lena Fuchs,O=Example Bank");
      await person.button("Create the ticket").click();
      await page.getByRole("dialog").getByRole("img").waitFor();
    },
  ],
  credentials: ["officer", "credentials"],
  credential: ["officer", "credentials?text=Mo%20Doe", async (person, page) => page.locator("tbody a").first().click()],
  revoke: [
    "officer",
    "credentials?text=Mo%20Doe",
    async (person, page) => {
      await page.locator("tbody a").first().click();
      await person.button("Revoke").click();
    },
  ],
  "signature-profiles": ["helpdesk", "signature-profiles?user=CN%3DMo+Doe%2CO%3DExample+Bank"],
  devices: ["operator", "devices"],
  device: ["auditor", "devices", async (person, page) => page.locator("tbody a").first().click()],
  sessions: ["auditor", "sessions"],
  session: ["auditor", "sessions?text=Eve", async (person, page) => page.locator("tbody a").first().click()],
  audit: [
    "auditor",
    "audit",
    async (person, page) => {
      await person.button("Verify the audit log").click();
      await page.getByText("The log is complete and unchanged.").waitFor();
    },
  ],
  profiles: ["officer", "profiles"],
  profile: ["auditor", "profiles/full", null, { viewport: { width: 1280, height: 1500 } }],
  "profile-check": [
    "operator",
    "profiles/default",
    async (person, page) => {
      const text = page.getByLabel("Content of the file");
      await text.fill((await text.inputValue()).replace("validity_days = 730", "validity_days = 365"));
      await person.button("Check this content").click();
      await page.getByText("The issuer would accept this profile.").scrollIntoViewIfNeeded();
    },
  ],
  accounts: ["operator", "accounts"],
  account: ["operator", "accounts/helpdesk.one"],
  "new-account": ["operator", "accounts/new", null, { viewport: { width: 1280, height: 880 } }],
  telephone: [
    "helpdesk",
    "credentials?text=Mo%20Doe",
    async (person, page) => page.locator("tbody a").first().click(),
    { viewport: { width: 360, height: 740 } },
  ],
};
export function takePictures(folder) {
  for (const [name, [role, place, act, options]] of Object.entries(kPictures))
    test(`picture: ${name}`, () =>
      as(
        role,
        async (person, page) => {
          await person.go(place);
          await act?.(person, page);
          await person.settled();
          await page.evaluate(() => document.fonts.ready);
          await page.screenshot({
            path: `${folder}/${name}.png`,
            caret: "initial",
            animations: "allow",
          });
          assert.ok(existsSync(`${folder}/${name}.png`));
        },
        options ?? {},
      ));
}
