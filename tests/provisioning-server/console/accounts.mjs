// Who gets in, with what, and who decides about that.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Person } from "./browser.mjs";
import { as, browser, issuer, openCredential } from "./lab.mjs";

test("a client certificate of this issuer signs in without a token, as long as it is in force", async () => {
  const certificate = await issuer.clientCertificate("CN=Olga Officer,O=Example Bank");
  // Playwright's proxy for client certificates does not ask the browser which authorities it trusts.
  const withCertificate = { clientCertificates: [certificate.use], ignoreHTTPSErrors: true };
  const olga = await Person.at(browser, issuer, withCertificate);
  await olga.page.goto(`${issuer.origin}/console`);
  await olga.page.getByRole("button", { name: "Sign in with a certificate" }).click();
  await olga.page.getByText("No account has your certificate. Log in with a token.").waitFor();

  await as("operator", async (person, page) => {
    await person.go("accounts/new");
    await page.getByLabel("Name").fill("olga");
    await page.getByLabel("Issuer officer").check();
    await page.getByLabel("A token").uncheck();
    await page.getByLabel("Client certificate").fill(certificate.fingerprint);
    await person.button("Create the account").click();
    await page.getByText("The account is created.").waitFor();
    await page.getByText("a certificate", { exact: true }).waitFor();
  });
  await olga.page.getByRole("button", { name: "Sign in with a certificate" }).click();
  await olga.page.getByRole("heading", { name: "Overview" }).waitFor();
  assert.equal(await olga.page.locator(".account strong").innerText(), "olga");
  assert.deepEqual(await olga.context.cookies(), []);
  // A change: the page sends the header that shows that no other site has asked for it.
  await olga.go("tickets/new");
  await olga.page.getByLabel("Subject").fill("CN=By Certificate,O=Example Bank");
  await olga.button("Create the ticket").click();
  await olga.page.getByRole("dialog", { name: "The ticket is ready" }).waitFor();
  await olga.button("Done").click();
  await olga.page.locator("dd", { hasText: "olga" }).waitFor();
  // The browser goes on to show it.
  await olga.button("Sign out").click();
  await olga.page.getByText("Your client certificate still signs you in.").waitFor();
  await olga.page.reload();
  await olga.page.locator("nav").waitFor({ state: "attached" });

  await as("officer", async (person, page) => {
    await openCredential(person, "Olga Officer");
    await person.button("Revoke").click();
    await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
    await page.getByText("The credential is revoked.").waitFor();
  });
  await olga.page.reload();
  await olga.page.getByRole("button", { name: "Sign in with a certificate" }).click();
  await olga.page.getByText("Your certificate is not in force.").waitFor();
  // Until another certificate takes its place.
  await as("operator", async (person, page) => {
    await person.go("accounts/olga");
    await person.button("Change certificate").click();
    const dialog = page.getByRole("dialog", { name: "Change certificate" });
    await dialog.getByLabel("Client certificate").fill(certificate.fingerprint);
    await dialog.getByRole("button", { name: "Change certificate" }).click();
    await dialog.getByText("of this issuer is in force").waitFor();
    const next = await issuer.clientCertificate("CN=Olga Officer,O=Example Bank", "next");
    await dialog.getByLabel("Client certificate").fill(next.fingerprint);
    await dialog.getByRole("button", { name: "Change certificate" }).click();
    await page.getByText("The account has another certificate.").waitFor();
    const after = await Person.at(browser, issuer, { clientCertificates: [next.use], ignoreHTTPSErrors: true });
    await after.page.goto(`${issuer.origin}/console`);
    await after.page.getByRole("heading", { name: "Overview" }).waitFor();
    await after.done();
  });
  await olga.page.reload();
  await olga.page.getByRole("button", { name: "Sign in with a certificate" }).click();
  await olga.page.getByText("No account has your certificate.").waitFor();
  // A token does all the same.
  await olga.signIn("auditor");
  await olga.go("audit?actor=olga&action=login");
  await olga.page.getByText(/^by certificate from /).first().waitFor();
  await olga.done();
});

test("whoever has no certificate is told so", () =>
  as(null, async (person, page) => {
    await page.goto(`${issuer.origin}/console`);
    await page.getByLabel("Token").waitFor();
    await person.tabTo("button", "Sign in with a certificate");
    await page.keyboard.press("Enter");
    await page.getByText("or with a certificate of this issuer that has an account.").waitFor();
  }));

test("with the keyboard alone: an account is made, gets other roles and a new token, and is removed", () =>
  as("operator", async (person, page) => {
    await person.go("accounts");
    await person.tabTo("link", "New account");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "New account" }).waitFor();
    await person.tabTo("textbox", "Name");
    await page.keyboard.type("kim@example.org");
    await person.tabTo("checkbox", "Auditor");
    await person.tabTo("button", "Create the account");
    await page.keyboard.press("Enter");
    await page.getByText("Choose at least one role.").waitFor();
    await person.tabTo("checkbox", "Auditor");
    await page.keyboard.press("Space");
    await person.tabTo("spinbutton", "Days that the account counts");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("30");
    await person.tabTo("button", "Create the account");
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "The token of the account" });
    const shown = dialog.getByRole("textbox", { name: "Token" });
    await shown.waitFor();
    const first = await shown.innerText();
    assert.match(first, /^sks-token-[\w-]{43}$/);
    await person.tabTo("button", "Done");
    await page.keyboard.press("Enter");
    await page.getByText("The account is created.").waitFor();
    await page.getByRole("heading", { name: "kim@example.org" }).waitFor();
    assert.ok(!(await page.content()).includes(first));

    // Whoever has the token is in, with the roles that the account has at that moment.
    const kim = await Person.at(browser, issuer);
    await kim.signInWith(first);
    await kim.go("audit?actor=operator.one&action=account-add");
    await kim.page.getByText("account kim@example.org with auditor until").waitFor();

    await person.tabTo("button", "Change roles");
    await page.keyboard.press("Enter");
    const roles = page.getByRole("dialog", { name: "Change roles" });
    assert.equal(await roles.getByLabel("Auditor").isChecked(), true);
    await person.tabTo("checkbox", "Auditor");
    await page.keyboard.press("Space");
    await person.tabTo("checkbox", "Help desk");
    await page.keyboard.press("Space");
    await person.tabTo("button", "Change roles");
    await page.keyboard.press("Enter");
    await page.getByText("The roles are changed.").waitFor();
    await kim.go("audit");
    await kim.page.getByText("Your account lacks the right view-audit").waitFor();

    await person.tabTo("button", "New token");
    await page.keyboard.press("Enter");
    await page.getByRole("dialog", { name: "New token" }).waitFor();
    await person.tabTo("button", "New token");
    await page.keyboard.press("Enter");
    await shown.waitFor();
    const second = await shown.innerText();
    assert.notEqual(second, first);
    await person.tabTo("button", "Done");
    await page.keyboard.press("Enter");
    await page.getByText("The account has a new token.").waitFor();
    await kim.page.reload();
    await kim.page.getByLabel("Token").fill(first);
    await kim.page.keyboard.press("Enter");
    await kim.page.getByText("The token is not valid, or it has expired.").waitFor();
    await kim.page.getByLabel("Token").fill(second);
    await kim.page.keyboard.press("Enter");
    await kim.page.locator("nav").waitFor({ state: "attached" });
    await kim.done();

    for (const [name, told] of [
      ["Disable", "The account is disabled."],
      ["Enable", "The account is enabled."],
      ["Remove", "The account is removed."],
    ]) {
      await person.tabTo("button", name);
      await page.keyboard.press("Enter");
      await page.getByRole("dialog", { name }).waitFor();
      await person.tabTo("button", name);
      await page.keyboard.press("Enter");
      await page.getByText(told).waitFor();
    }
    await page.getByRole("heading", { name: "Accounts", level: 1 }).waitFor();
    assert.equal(await page.getByRole("link", { name: "kim@example.org" }).count(), 0);
  }));

test("nobody is offered to lock themselves out, and the server says so, too", () =>
  as("operator", async (person, page) => {
    await person.go("accounts/operator.one");
    await page.getByText("This is your own account.").waitFor();
    for (const name of ["Change roles", "Disable", "Remove"]) assert.equal(await person.button(name).count(), 0, name);
    for (const name of ["New token", "Change certificate"]) assert.equal(await person.button(name).count(), 1, name);
    const sentence = await page.evaluate(async () => {
      const answer = await fetch("/api/v1/accounts/operator.one", {
        method: "DELETE",
        headers: { "X-SKS-Request": "1" },
      });
      return (await answer.json()).detail;
    });
    assert.equal(sentence, "This is your own account: another operator can change it.");
    await person.go("accounts/new");
    await page.getByLabel("Name").fill("officer.one");
    await page.getByLabel("Issuer officer").check();
    await person.button("Create the account").click();
    await page.getByRole("alert").waitFor();
    assert.equal(await page.getByLabel("Name").inputValue(), "officer.one");
    await page.getByLabel("Client certificate").fill("00".repeat(32));
    await page.getByLabel("Name").fill("kim");
    await person.button("Create the account").click();
    await page.getByText("of this issuer is in force").waitFor();
  }));
