// Chromium as Debian has it, and people who use it.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

export const patience = 180000;
const kChromium = process.env.SKS_CHROMIUM ?? "/usr/bin/chromium";

export async function launch(home) {
  return chromium.launch({
    executablePath: kChromium,
    args: ["--headless=new", "--no-sandbox", "--disable-gpu"],
    env: { ...process.env, HOME: home },
    timeout: patience,
  });
}

/// Somebody at a browser of their own. Whatever the browser complains about is in `complaints`.
export class Person {
  static async at(browser, issuer, options = {}) {
    const context = await browser.newContext({
      locale: "en-GB",
      timezoneId: "UTC",
      viewport: { width: 1280, height: 800 },
      ...options,
    });
    context.setDefaultTimeout(patience);
    await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: issuer.origin });
    const person = new Person(context, await context.newPage(), issuer);
    await person.listen();
    return person;
  }

  constructor(context, page, issuer) {
    this.context = context;
    this.page = page;
    this.issuer = issuer;
    this.complaints = [];
  }

  async listen() {
    await this.context.addInitScript(() =>
      addEventListener("securitypolicyviolation", (event) =>
        console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`),
      ),
    );
    this.page.on("console", (message) => {
      // That the API has refused something is part of the tests; it is shown in the page.
      const refused = message.text().startsWith("Failed to load resource: the server responded with a status of 4");
      if (["error", "warning"].includes(message.type()) && !(refused && message.location().url.includes("/api/v1/")))
        this.complaints.push(`${message.type()}: ${message.text()} ${message.location().url}`);
    });
    this.page.on("pageerror", (error) => this.complaints.push(String(error.stack)));
    this.page.on("dialog", (dialog) => {
      this.complaints.push(`a script has opened a dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    this.page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== this.issuer.origin && protocol !== "data:") this.complaints.push(`a request to ${request.url()}`);
    });
  }

  /// For what was provoked on purpose: waits for the complaint and forgets it.
  async expectComplaint(part) {
    const end = Date.now() + patience;
    const find = () => this.complaints.findIndex((complaint) => complaint.includes(part));
    while (find() < 0 && Date.now() < end) await this.page.waitForTimeout(50);
    assert.ok(find() >= 0, `nothing complains about ${part}`);
    this.complaints.splice(find(), 1);
  }

  async done() {
    await this.context.close();
    assert.deepEqual(this.complaints, []);
  }

  /// Shows a page of the console, when it is there as a whole.
  async go(place = "") {
    await this.page.goto(`${this.issuer.origin}/console#/${place}`);
    await this.settled();
  }
  async settled() {
    await this.page.locator("h1").waitFor();
    await this.page.waitForFunction(() => !document.querySelector("[aria-busy]"));
    await this.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  }

  async signIn(role) {
    await this.signInWith(this.issuer.tokens[role]);
  }
  async signInWith(token) {
    await this.page.goto(`${this.issuer.origin}/console`);
    await this.page.locator("input[name=token]").fill(token);
    await this.page.locator("form button[type=submit]").click();
    await this.page.locator("nav").waitFor({ state: "attached" });
    await this.settled();
  }

  button(name) {
    return this.page.getByRole("button", { name, exact: true });
  }

  /// Presses Tab until the focus is on what has this role and name, as a person who has no mouse does. On the way the
  /// focus has to be seen.
  async tabTo(role, name) {
    const wanted = this.page.getByRole(role, { name, exact: true });
    for (let i = 0; i < 120; i += 1) {
      await this.page.keyboard.press("Tab");
      const seen = await this.page.evaluate(() => {
        const style = getComputedStyle(document.activeElement);
        return (
          document.activeElement === document.body ||
          (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2)
        );
      });
      assert.ok(seen, `the focus cannot be seen on the way to ${role} ${name}`);
      if ((await wanted.count()) > 0 && (await wanted.evaluateAll((found) => found.includes(document.activeElement))))
        return;
    }
    assert.fail(`Tab does not lead to ${role} ${name}`);
  }
}
