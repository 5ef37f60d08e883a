// An issuer of its own for the test: the real program over TLS, with devices that have really enrolled.

import { X509Certificate } from "node:crypto";
import { execFile, execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { promisify } from "node:util";

const run = promisify(execFile);

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export class Issuer {
  constructor(program, client) {
    this.program = program;
    this.client = client;
    this.scratch = mkdtempSync(join(tmpdir(), "sks-console-"));
    this.folder = join(this.scratch, "issuer");
    this.home = join(this.scratch, "home");
    this.tokens = {};
  }

  async command(...parameters) {
    const { stdout } = await run(this.program, [...parameters, "--dir", this.folder]);
    return stdout.trim();
  }

  /// Puts `by` in the place of `part`, which a file below the folder of the issuer must have.
  edit(name, part, by) {
    const file = join(this.folder, name);
    const before = readFileSync(file, "utf8");
    const edited = before.replace(part, by);
    if (edited === before) throw new Error(`${name} has no ${part}`);
    writeFileSync(file, edited);
  }

  async prepare() {
    this.origin = `https://localhost:${await freePort()}`;
    await this.command("init", "--url", `${this.origin}/keygen2`);
    // Everybody here comes from one address.
    this.edit("issuer.toml", /login_tries_per_minute = \d+/, "login_tries_per_minute = 6000");
    this.edit(
      "profiles/default.toml",
      "[[pin_policy]]",
      '[puk_policy]\nformat = "numeric"\nlength = 8\nretry_limit = 3\n\n[[pin_policy]]',
    );
    const portable = join(this.folder, "profiles", "portable.toml");
    copyFileSync(join(this.folder, "profiles", "default.toml"), portable);
    this.edit("profiles/portable.toml", 'export_protection = "non-exportable"', 'export_protection = "none"');
    this.edit(
      "profiles/pair.toml",
      'friendly_name = "Signature key"',
      'friendly_name = "Signature key"\n  signature_profile = "mss:bank.example:approve-payment:substantial:hardware"',
    );
    copyFileSync(
      new URL("../admin_api/full_profile.toml", import.meta.url),
      join(this.folder, "profiles", "full.toml"),
    );
    writeFileSync(
      join(this.folder, "profiles", "logo.svg"),
      '<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"><rect width="120" height="40" rx="6"' +
        ' fill="#1d4f7c"/><circle cx="22" cy="20" r="10" fill="#ffffff"/><rect x="42" y="15" width="64" height="10"' +
        ' fill="#ffffff"/></svg>',
    );
    for (const role of ["operator", "officer", "auditor", "helpdesk"])
      this.tokens[role] = await this.command("account", "add", "--name", `${role}.one`, "--roles", role, "--token");
    await this.device("laptop");
    await this.command("register", "--certificate", this.certificate("laptop"));
    await this.device("stranger");
    this.trustInBrowser();
  }

  /// What the browser trusts is the CA of the issuer, and nothing else counts.
  trustInBrowser() {
    const database = join(this.home, ".pki", "nssdb");
    mkdirSync(database, { recursive: true });
    const certutil = (...parameters) => execFileSync("certutil", ["-d", `sql:${database}`, ...parameters]);
    certutil("-N", "--empty-password");
    const blocks = readFileSync(join(this.folder, "ca.pem"), "utf8").match(/-----BEGIN[^]*?-----END CERTIFICATE-----/g);
    blocks.forEach((block, i) => {
      const file = join(this.scratch, `ca${i}.pem`);
      writeFileSync(file, block);
      certutil("-A", "-n", `ca${i}`, "-t", "CT,C,C", "-i", file);
    });
  }

  async start() {
    this.server = spawn(this.program, ["serve", "--dir", this.folder], { stdio: ["ignore", "pipe", "pipe"] });
    this.log = "";
    this.server.stderr.on("data", (text) => (this.log += text));
    this.server.stdout.setEncoding("utf8");
    const [line] = await Promise.race([once(this.server.stdout, "data"), once(this.server, "exit")]);
    if (!String(line).startsWith("listening")) throw new Error(`sks-issuer does not start: ${this.log}`);
  }

  async stop() {
    if (this.server && this.server.exitCode === null) {
      this.server.kill("SIGTERM");
      await once(this.server, "exit");
    }
    const code = this.server?.exitCode;
    if (process.env.SKS_KEEP_SCRATCH === undefined) rmSync(this.scratch, { recursive: true, force: true });
    return code;
  }

  certificate(device) {
    return join(this.scratch, `${device}.pem`);
  }
  async device(name) {
    await run(this.client, ["--store", join(this.scratch, name), "init", "--certificate-file", this.certificate(name)]);
  }

  /// Uses a link as the owner of a device does. Fails with what the program says.
  async enroll(device, link) {
    await run(
      this.client,
      [
        "--store",
        join(this.scratch, device),
        "enroll",
        "--yes",
        "--pin",
        "246810",
        "--ca-file",
        join(this.folder, "ca.pem"),
        link,
      ],
      { timeout: 300000 },
    );
  }
  /// A certificate of this issuer with its key, as a file that a browser can import: how to use it, and its fingerprint.
  async clientCertificate(subject, device = "desk") {
    const file = (name) => join(this.scratch, name);
    const passphrase = "for the way to the browser";
    writeFileSync(file("passphrase"), passphrase, { mode: 0o600 });
    const store = ["--store", file(device)];
    await this.device(device);
    await this.command("register", "--certificate", this.certificate(device));
    await this.issue(device, "portable", subject);
    const { stdout } = await run(this.client, [...store, "list", "--json"]);
    const [{ handle }] = JSON.parse(stdout);
    const parameters = ["--pkcs12", "--export-passphrase-file", file("passphrase"), "--out", file(`${device}.p12`)];
    await run(this.client, [...store, "export", String(handle), ...parameters]);
    const { stdout: pem } = await run(this.client, [...store, "export", String(handle)]);
    const fingerprint = new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();
    return { fingerprint, use: { origin: this.origin, pfxPath: file(`${device}.p12`), passphrase } };
  }
  async issue(device, profile, subject) {
    await this.enroll(device, await this.command("ticket", "--profile", profile, "--subject", subject));
  }

  /// Some weeks of a busy issuer, by copies of the rows that are there.
  async fill() {
    await run("python3", [new URL("fill_rows.py", import.meta.url).pathname, join(this.folder, "issuer.db")]);
  }
}
