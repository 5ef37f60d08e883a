// The web console in Chromium against the real issuer.
//
// usage: node console_test.mjs SKS_ISSUER SKS
// SKS_SCREENSHOTS=FOLDER: also takes the pictures of docs/issuers/console.md.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Person } from "./browser.mjs";
import { as, browser, issuer, kPages, openCredential } from "./lab.mjs";
import "./accounts.mjs";
import { takePictures } from "./pictures.mjs";

const kHostile = "<img src=x onerror=alert(1)>";

test("pages are guarded by their header", () =>
  as(null, async (person, page) => {
    const answer = await page.goto(`${issuer.origin}/console`);
    const policy = Object.fromEntries(
      answer
        .headers()
        ["content-security-policy"].split(";")
        .map((part) => {
          const [name, ...values] = part.trim().split(" ");
          return [name, values.join(" ")];
        }),
    );
    assert.deepEqual(policy, {
      "default-src": "'none'",
      "script-src": "'self'",
      "style-src": "'self'",
      "img-src": "'self' data:",
      "connect-src": "'self'",
      "form-action": "'self'",
      "base-uri": "'none'",
      "frame-ancestors": "'none'",
      "require-trusted-types-for": "'script'",
      "trusted-types": "'none'",
    });
    assert.equal(answer.headers()["x-content-type-options"], "nosniff");
    const tried = await page.evaluate(() => {
      try {
        document.body.innerHTML = "<b>markup</b>";
        return "done";
      } catch (error) {
        return error.name;
      }
    });
    assert.equal(tried, "TypeError");
    await person.expectComplaint("policy violated: require-trusted-types-for");
    await person.expectComplaint("This document requires 'TrustedHTML' assignment");
  }));

test("the first page speaks the language of the browser; a choice stays", () =>
  as(
    null,
    async (person, page) => {
      await page.goto(`${issuer.origin}/console`);
      await page.getByRole("heading", { name: "Anmelden" }).waitFor();
      assert.equal(await page.locator("html").getAttribute("lang"), "de");
      assert.equal(await page.title(), "Anmelden – OpenSKS-Aussteller");
      await page.getByLabel("Sprache").selectOption("en");
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      await page.reload();
      await page.getByRole("heading", { name: "Sign in" }).waitFor();
      assert.equal(await page.locator("html").getAttribute("lang"), "en");
    },
    { locale: "de-AT" },
  ));

test("without scripts the page says what is missing, in both languages", async () => {
  for (const [locale, text] of [
    ["de-DE", /JavaScript, das in diesem Browser/],
    ["fr-FR", /needs JavaScript/],
  ])
    await as(
      null,
      async (person, page) => {
        await page.goto(`${issuer.origin}/console`);
        assert.match(await page.locator("noscript").innerText(), text);
      },
      { locale, javaScriptEnabled: false },
    );
});

test("a wrong token is refused with one sentence", () =>
  as(null, async (person, page) => {
    await page.goto(`${issuer.origin}/console`);
    await page.getByLabel("Token").fill("sks-token-wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    assert.match(await page.getByRole("alert").innerText(), /^[A-Z][^.]+\.( [A-Z][^.]+\.)?$/);
    assert.equal(await page.getByLabel("Token").inputValue(), "");
  }));

test("with the keyboard alone: sign in, make a ticket, revoke", () =>
  as(null, async (person, page) => {
    await page.goto(`${issuer.origin}/console`);
    await page.getByLabel("Token").waitFor();
    // The field has the focus.
    await page.keyboard.type(issuer.tokens.officer);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Overview" }).waitFor();

    await page.evaluate(() => document.activeElement.blur());
    await person.tabTo("link", "Skip to the content");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    await person.tabTo("link", "New ticket");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "New ticket" }).waitFor();
    await person.tabTo("textbox", "Subject");
    await page.keyboard.type("CN=Keyboard User,O=Example Bank");
    await person.tabTo("button", "Create the ticket");
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "The ticket is ready" });
    await dialog.waitFor();
    const picture = dialog.getByRole("img", { name: "QR code of the link" });
    assert.ok(await picture.evaluate((image) => image.decode().then(() => image.naturalWidth > 0)));
    const link = await dialog.getByRole("textbox", { name: "Link that opens the program" }).innerText();
    assert.match(
      await dialog.getByRole("textbox", { name: "Page for the user" }).innerText(),
      /^https:\/\/localhost:\d+\//,
    );
    assert.match(await dialog.getByRole("textbox", { name: "Command line" }).innerText(), /^sks enroll /);
    await person.tabTo("button", "Copy: Link that opens the program");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement.textContent === "Copied");
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
    await person.tabTo("button", "Done");
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "detached" });
    // What was shown once is gone.
    await page.getByRole("heading", { name: "CN=Keyboard User,O=Example Bank" }).waitFor();
    assert.ok(!(await page.content()).includes(link.slice(-30)));

    // The link is a real one.
    await issuer.enroll("laptop", link);
    await person.go("credentials");
    await page.keyboard.press("Tab");
    await person.tabTo("searchbox", "Search");
    await page.keyboard.type("keyboard");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
    await person.tabTo("link", "CN=Keyboard User,O=Example Bank");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "CN=Keyboard User,O=Example Bank" }).waitFor();
    await person.tabTo("button", "Revoke");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "Revoke" }).waitFor();
    // The dialog begins with the reason.
    await page.keyboard.type("key or");
    await person.tabTo("button", "Revoke");
    await page.keyboard.press("Enter");
    await page.getByText("The credential is revoked.").waitFor();
    await page.getByText("key or device lost or stolen").waitFor();
    assert.equal(await person.button("Revoke").count(), 0);
  }));

test("a credential is suspended and resumed", () =>
  as("officer", async (person, page) => {
    await openCredential(person, "Mo Doe");
    await person.button("Suspend").click();
    await page.getByRole("dialog").getByRole("button", { name: "Suspend" }).click();
    await page.getByText("The credential is suspended.").waitFor();
    await person.button("Resume").click();
    await page.getByRole("dialog").getByRole("button", { name: "Resume" }).click();
    await page.getByText("The credential is valid again.").waitFor();
    await person.button("Suspend").waitFor();
  }));

test("a ticket is cancelled, and what was asked wrongly is told in the form", () =>
  as("officer", async (person, page) => {
    await person.go("tickets/new");
    await page.getByLabel("Subject").fill("not a name");
    await person.button("Create the ticket").click();
    await page.getByRole("alert").waitFor();
    assert.equal(await page.getByLabel("Subject").inputValue(), "not a name");
    await page.getByLabel("Subject").fill("CN=Nobody,O=Example Bank");
    await page.getByText("Data for the certificate").click();
    await page.getByLabel("Data", { exact: true }).fill("{");
    await person.button("Create the ticket").click();
    await page.getByText("The data is not well-formed JSON.").waitFor();
    await page.getByLabel("Data", { exact: true }).fill('{"department": "42"}');
    await person.button("Create the ticket").click();
    await person.button("Done").click();
    await person.button("Cancel the ticket").click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel the ticket" }).click();
    await page.getByText("The ticket is cancelled.").waitFor();
    await page.locator(".badge", { hasText: "expired" }).waitFor();
    await person.go("tickets?state=open");
    assert.equal(await page.getByRole("link", { name: "CN=Nobody,O=Example Bank" }).count(), 0);
  }));

test("credentials are found, and turned page by page", () =>
  as("officer", async (person, page) => {
    await person.go("credentials");
    assert.equal(await page.locator("tbody tr").count(), 50);
    const first = await page.locator("tbody tr").first().innerText();
    await person.button("Next page").click();
    await page.getByText("Page 2,").waitFor();
    assert.notEqual(await page.locator("tbody tr").first().innerText(), first);
    await person.button("Previous page").click();
    await page.getByText("Page 1,").waitFor();
    assert.equal(await page.locator("tbody tr").first().innerText(), first);
    await page.getByLabel("Search").fill("doe");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => !document.querySelector("[aria-busy]") && location.hash.includes("text=doe"));
    const found = await page.locator("tbody a").allInnerTexts();
    assert.ok(found.length >= 3 && found.every((text) => text.includes("Doe,O=Example Bank")), found.join());
    await page.getByLabel("Status").selectOption("revoked");
    await page.waitForFunction(() => location.hash.includes("status=revoked"));
    await page.reload();
    assert.equal(await page.getByLabel("Status").inputValue(), "revoked");
  }));

test("a hostile subject is text and nothing else", () =>
  as("officer", async (person, page) => {
    await person.go("credentials");
    const cell = page.getByRole("link", { name: kHostile }).first();
    assert.ok((await cell.innerText()).includes(kHostile));
    await cell.click();
    await page.getByRole("heading", { level: 1, name: kHostile }).waitFor();
    assert.deepEqual(
      await page.locator("img").evaluateAll((found) => found.map((image) => image.getAttribute("src"))),
      ["/console/icon.svg"],
    );
    for (const place of ["tickets", "sessions"]) {
      await person.go(place);
      await page.getByText(kHostile).first().waitFor();
    }
  }));

test("the signature profiles of a user are asked for by the whole subject, and lead to the credential and back", () =>
  as("helpdesk", async (person, page) => {
    await person.go("signature-profiles");
    await page.getByText("Name a user to see what their signatures are for.").waitFor();
    await person.tabTo("searchbox", "User");
    await page.keyboard.type("CN=Mo Doe");
    await page.keyboard.press("Enter");
    await page.getByText("This user has no such key.").waitFor();
    await page.keyboard.type(",O=Example Bank");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
    const cells = await page.locator("tbody td").allInnerTexts();
    assert.deepEqual(cells.slice(0, 4), [
      "bank.example\nmss:bank.example:approve-payment:substantial:hardware",
      "approve-payment",
      "substantial\neIDAS, middle of three levels",
      "hardware",
    ]);
    await page.locator("tbody a").click();
    await page.getByRole("heading", { level: 1, name: "Mo Doe" }).waitFor();
    await page.getByRole("link", { name: "Those of this subject" }).click();
    await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
    assert.equal(await page.getByLabel("User").inputValue(), "CN=Mo Doe,O=Example Bank");
    // A key of the same user that signs nothing.
    await openCredential(person, "Jo Doe");
    assert.equal(await page.getByRole("link", { name: "Those of this subject" }).count(), 0);
  }));

test("the device page says what its attestation proves", () =>
  as("auditor", async (person, page) => {
    await person.go("devices");
    await page.locator("tbody a").first().click();
    await page.getByRole("heading", { name: "What its attestation proves" }).waitFor();
    await page.getByText("This issuer accepts the devices whose fingerprints an operator has registered.").waitFor();
    await page.getByText("By the rules of today the device is accepted.").waitFor();
    await page.getByText("that the device made the key pair").waitFor();
    await page.getByText("who held the device").waitFor();
    await page.getByText("Certificate as PEM").first().click();
    assert.match(
      await page.getByRole("textbox", { name: "Certificate as PEM" }).first().innerText(),
      /^-----BEGIN CERTIFICATE/,
    );
  }));

test("an operator registers a device and takes it off again", () =>
  as("operator", async (person, page) => {
    const fingerprint = "ab".repeat(32);
    await person.go("devices");
    await person.button("Register a device").click();
    await page.getByLabel("Fingerprint or certificate").fill("xyz");
    await page.getByRole("dialog").getByRole("button", { name: "Register a device" }).click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Fingerprint or certificate").fill(fingerprint);
    await page.getByRole("dialog").getByRole("button", { name: "Register a device" }).click();
    await page.getByText("The device is registered.").waitFor();
    await person.go(`devices/${fingerprint}`);
    await person.button("Unregister the device").click();
    await page.getByRole("dialog").getByRole("button", { name: "Unregister the device" }).click();
    await page.getByText("The device is not registered any more.").waitFor();
  }));

test("the page of a profile explains all that the profile says", () =>
  as("auditor", async (person, page) => {
    await person.go("profiles/full");
    const fact = async (card, label) => {
      const section = page.getByRole("region", { name: card, exact: true });
      return (await section.locator("dl div", { has: page.getByText(label, { exact: true }) }).locator("dd").innerText())
        .replace(/\s+/g, " ");
    };
    assert.equal(await fact("Signing <key>", "Export"), "puk with the PUK");
    assert.equal(await fact("Signing <key>", "Biometrics"), "combined besides the PIN");
    assert.equal(await fact("Signing <key>", "Protected by"), "PIN 1 below");
    assert.equal(await fact("Signing <key>", "Public exponent"), "65,537");
    assert.equal(await fact("Signing <key>", "Signature profile"), "mss:bank.example:approve-payment:high:qscd");
    assert.equal(await fact("Key 3", "Protected by"), "the PIN of the device");
    assert.equal(await fact("PIN 1", "Weak PINs refused").then((text) => text.split(" ")[0]), "sequence");
    assert.equal(await fact("PIN 2", "Length"), "4 to 4 bytes");
    assert.equal(await fact("Certificates", "Has to be known"), "account cn login");
    assert.equal(await fact("Certificates", "Further extensions"), "1.3.6.1.4.1.99999.2 (critical) = 0500");
    assert.equal(await fact("Limits", "Valid credentials of one subject"), "3");
    assert.match(await fact("Session and management", "Key management key"), /generation 1/);
    const logotype = page.getByRole("img", { name: "Logotype" });
    assert.equal(await logotype.evaluate((image) => image.decode().then(() => image.naturalWidth)), 120);
    await page.getByText("See <https://example.com>").first().waitFor();
    // Encrypted on its way to the device: described only, but for the text of the file, which is what it is.
    assert.equal(await page.getByText("only for the device", { exact: true }).count(), 0);
    await page.getByRole("cell", { name: "encrypted extension" }).waitFor();
    await page.getByRole("cell", { name: "delete it is deleted when the session closes" }).waitFor();
    await page.getByRole("cell", { name: "the device is refused" }).waitFor();
  }));

test("an edited profile is tried and not stored", () =>
  as("operator", async (person, page) => {
    await person.go("profiles/default");
    const text = page.getByLabel("Content of the file");
    const before = await text.inputValue();
    await text.fill(before.replace("validity_days = 730", 'validity_days = "long"'));
    await person.button("Check this content").click();
    await page.getByText("validity_days").last().waitFor();
    assert.match(await page.locator("p.alert").innerText(), /default\.toml:\d+: .*validity_days/);
    await text.fill(before.replace("validity_days = 730", "validity_days = 365"));
    await person.button("Check this content").click();
    await page.getByText("The issuer would accept this profile.").waitFor();
    await page.reload();
    assert.equal(await text.inputValue(), before);
  }));

test("an auditor searches the log and verifies it", () =>
  as("auditor", async (person, page) => {
    await person.go("audit?action=revoke");
    await page.getByRole("cell", { name: "officer.one" }).first().waitFor();
    await person.button("Verify the audit log").click();
    await page.getByText("The log is complete and unchanged.").waitFor();
  }));

test("sessions tell how they have ended", () =>
  as("auditor", async (person, page) => {
    await person.go("sessions?text=Eve");
    await page.getByText("device not accepted").first().waitFor();
    await page.locator("tbody a").first().click();
    await page.getByText("The device is not one that the device trust of this issuer accepts.").waitFor();
    await page.getByRole("cell", { name: "ProvisioningInitializationResponse" }).first().waitFor();
  }));

test("the help desk makes a link to unlock, and sees a PUK once", () =>
  as("helpdesk", async (person, page) => {
    await openCredential(person, "Jo Doe");
    await person.button("Make a link for the device").click();
    assert.deepEqual(await page.getByLabel("What the session does").locator("option").allInnerTexts(), [
      "Unlock the PIN",
    ]);
    await person.button("Make the link").click();
    await page.getByRole("dialog", { name: "The link for the device is ready" }).waitFor();
    await person.button("Done").click();
    await person.button("Show the PUK").click();
    await page.getByRole("dialog").getByRole("button", { name: "Show the PUK" }).click();
    await page.getByRole("dialog", { name: "PUK" }).waitFor();
    assert.match(await page.locator(".puk").innerText(), /^\d{8}$/);
    await person.button("Done").click();
    await person.button("Show the PUK").click();
    await page.getByRole("dialog").getByRole("button", { name: "Show the PUK" }).click();
    await page.getByRole("dialog").getByRole("alert").waitFor();
  }));

// What each role finds in the menu, and which buttons.
const kRoles = {
  officer: {
    menu: ["Overview", "Tickets", "Credentials", "Signature profiles", "Devices", "Sessions", "Profiles"],
    revoke: true,
    ticket: true,
  },
  auditor: {
    menu: [
      "Overview",
      "Tickets",
      "Credentials",
      "Signature profiles",
      "Devices",
      "Sessions",
      "Audit log",
      "Profiles",
      "Accounts",
    ],
  },
  operator: { menu: ["Overview", "Devices", "Profiles", "Accounts"], register: true, account: true },
  helpdesk: { menu: ["Overview", "Credentials", "Signature profiles"], puk: true },
};
for (const [role, can] of Object.entries(kRoles))
  test(`${role}: sees what the role may, and no more`, () =>
    as(role, async (person, page) => {
      assert.deepEqual(await page.locator("nav a").allInnerTexts(), can.menu);
      assert.equal(await page.getByRole("link", { name: "New ticket" }).count(), can.ticket ? 1 : 0);
      if (can.menu.includes("Credentials")) {
        await openCredential(person, "Mo Doe");
        assert.equal(await person.button("Revoke").count(), can.revoke ? 1 : 0);
        assert.equal(await person.button("Suspend").count(), can.revoke ? 1 : 0);
        await openCredential(person, "Jo Doe");
        assert.equal(await person.button("Show the PUK").count(), can.puk ? 1 : 0);
      } else {
        await person.go("credentials");
        await page.getByText("Your roles do not include this page.").waitFor();
      }
      await person.go("devices");
      assert.equal(await person.button("Register a device").count(), can.register ? 1 : 0);
      await person.go("tickets/new");
      assert.equal(await person.button("Create the ticket").count(), can.ticket ? 1 : 0);
      await person.go("accounts/new");
      assert.equal(await person.button("Create the account").count(), can.account ? 1 : 0);
      await person.go("accounts/helpdesk.one");
      assert.equal(await person.button("Remove").count(), can.account ? 1 : 0);
    }));

test("a login that has ended leads back to where it was", () =>
  as("officer", async (person, page) => {
    await person.go("sessions?state=aborted");
    await person.context.clearCookies();
    await person.button("Search").click();
    await page.getByText("Your sign-in has ended.").waitFor();
    await page.getByLabel("Token").fill(issuer.tokens.officer);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Sessions", level: 1 }).waitFor();
    assert.equal(await page.getByLabel("State").inputValue(), "aborted");
  }));

test("signing out ends the login", () =>
  as("auditor", async (person, page) => {
    await person.button("Sign out").click();
    await page.getByText("You are signed out.").waitFor();
    await page.reload();
    await page.getByLabel("Token").waitFor();
  }));

test("whoever could not be signed out is told so and stays signed in", () =>
  as("auditor", async (person, page) => {
    await person.go("sessions");
    const detail = "There were too many attempts.";
    await page.route("**/api/v1/logout", (route) =>
      route.fulfill({ status: 429, contentType: "application/problem+json", body: JSON.stringify({ detail }) }),
    );
    await person.button("Sign out").click();
    await page.getByRole("alert").getByText(`Signing out did not work: ${detail}`).waitFor();
    await page.getByRole("heading", { name: "Sessions", level: 1 }).waitFor();
    await page.unroute("**/api/v1/logout");
    await page.reload();
    await page.getByRole("heading", { name: "Sessions", level: 1 }).waitFor();
    await person.button("Sign out").click();
    await page.getByText("You are signed out.").waitFor();
  }));

test("what does not exist is told in one sentence", () =>
  as("officer", async (person, page) => {
    for (const place of [
      "nonsense",
      `credentials/${"00".repeat(32)}`,
      "sessions/x",
      "credentials/%zz",
      "profiles/absent",
    ]) {
      await person.go(place);
      await page.getByRole("heading", { name: "This did not work" }).waitFor();
      assert.match(await page.getByRole("alert").innerText(), /^[^\n]+$/);
    }
  }));

test("charts have a title, a description and a table", () =>
  as("officer", async (person, page) => {
    await person.go("");
    const chart = page.getByRole("img", {
      name: /^Sessions that ended Completed in this period: \d+\. Failed: \d+\.$/,
    });
    await chart.waitFor();
    await page.locator("figure").nth(1).getByText("Show as a table").click();
    const rows = await page.locator("figure").nth(1).locator("tbody tr").count();
    assert.equal(rows, 30);
    const numbers = await page.locator("figure").nth(1).locator("td.number").allInnerTexts();
    const [, completed, failed] = /Completed in this period: (\d+)\. Failed: (\d+)\./.exec(
      await chart.locator("desc").textContent(),
    );
    const sum = (odd) => numbers.filter((_, i) => i % 2 === odd).reduce((total, text) => total + Number(text), 0);
    assert.deepEqual([sum(0), sum(1)], [Number(completed), Number(failed)]);
    assert.ok(sum(0) > 50 && sum(1) > 5);
    await page.getByLabel("Period of the charts").selectOption("day");
    await page.locator("figure").nth(1).locator("tbody tr").nth(23).waitFor({ state: "attached" });
  }));

// The rules of WCAG that a program can check: names, roles, contrast, order of headings and more.
const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
for (const colorScheme of ["light", "dark"])
  test(`axe finds nothing wrong, ${colorScheme}`, async () => {
    const check = async (person, place) => {
      await person.page.evaluate(axe);
      const violations = await person.page.evaluate(async () =>
        (await axe.run(document, { resultTypes: ["violations"] })).violations.map(
          ({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`,
        ),
      );
      assert.deepEqual(violations, [], place);
    };
    await as(
      null,
      async (person, page) => {
        await page.goto(`${issuer.origin}/console`);
        await page.locator("h1").waitFor();
        await check(person, "sign in");
      },
      { colorScheme },
    );
    for (const role of ["officer", "auditor", "operator"])
      await as(
        role,
        async (person, page) => {
          for (const place of kPages) {
            await person.go(place);
            await check(person, `${role}: ${place}`);
            const detail = page.locator("tbody a").first();
            if (!["tickets", "credentials", "devices", "sessions"].includes(place) || (await detail.count()) === 0)
              continue;
            await detail.click();
            await page.locator(".above").waitFor();
            await person.settled();
            await check(person, `${role}: one of ${place}`);
          }
        },
        { colorScheme },
      );
    await as(
      "officer",
      async (person, page) => {
        await person.go("tickets/new");
        await person.button("Create the ticket").click();
        await page.getByRole("dialog").waitFor();
        await check(person, "the ticket is ready");
      },
      { colorScheme },
    );
  });

test("every text comes from the files of the languages", async () => {
  // With a language that puts every text in brackets, letters outside of them can only be data, which says so.
  const texts = JSON.parse(
    readFileSync(new URL("../../../provisioning-server/console/locales/en.json", import.meta.url)),
  );
  for (const key of Object.keys(texts)) if (key !== "language.format") texts[key] = `⟦${texts[key]}⟧`;
  for (const role of ["officer", "auditor", "operator", "helpdesk"]) {
    const person = await Person.at(browser, issuer);
    await person.page.route("**/locales/*.json", (route) => route.fulfill({ json: texts }));
    await person.signIn(role);
    const places = [...kPages];
    for (const list of ["tickets", "credentials", "devices", "sessions"]) {
      await person.go(list);
      const href = await person.page
        .locator("tbody a")
        .first()
        .getAttribute("href", { timeout: 3000 })
        .catch(() => null);
      if (href) places.push(href.slice(2));
    }
    for (const place of places) {
      await person.go(place);
      const stray = await person.page.evaluate(() => {
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const found = [];
        while (walker.nextNode()) {
          const { data, parentElement } = walker.currentNode;
          if (
            /\p{L}/u.test(data.replace(/⟦[^⟧]*⟧/gu, "")) &&
            !parentElement.closest("[translate=no], script, option, textarea")
          )
            found.push(`${parentElement.tagName}: ${data}`);
        }
        return found;
      });
      // A text may have another one in it.
      assert.deepEqual(
        stray.filter((text) => !text.includes("⟦")),
        [],
        `${role}: ${place}`,
      );
    }
    await person.done();
  }
});

test("nothing is wider than a small telephone", async () => {
  for (const locale of ["en-GB", "de-DE"])
    for (const role of ["auditor", "officer", "operator"])
      await as(
        role,
        async (person, page) => {
          for (const place of kPages) {
            await person.go(place);
            assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360, `${locale}: ${place}`);
          }
          const toggle = page.locator(".menu-toggle");
          assert.equal(await page.locator("nav").isVisible(), false);
          await toggle.click();
          assert.equal(await page.locator("nav").isVisible(), true);
        },
        { locale, viewport: { width: 360, height: 740 } },
      );
});

if (process.env.SKS_SCREENSHOTS) takePictures(process.env.SKS_SCREENSHOTS);
