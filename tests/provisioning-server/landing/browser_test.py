"""The pages for end users in Chromium: widths, colours, languages, keyboard, screen readers, and no request elsewhere.

usage: browser_test.py SKS_ISSUER [unittest arguments]

SKS_SCREENSHOTS: a folder for the pictures of docs/issuers/; without it they go away with the test.
"""

import base64
import json
import os
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import time
import unittest

ISSUER = sys.argv.pop(1)
PATIENCE = 300  # seconds; nothing here is about speed
NARROW, WIDE = 360, 900


class Chromium:
    """One tab, driven over the pipe of the DevTools protocol."""

    def __init__(self, folder):
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()

        def place():  # as files 3 and 4, in whatever order the pipes came
            a, b = os.dup(to_browser), os.dup(from_browser)
            os.dup2(a, 3)
            os.dup2(b, 4)

        self._process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
             "--disable-background-networking", "--ignore-certificate-errors", "--remote-debugging-pipe",
             "--user-data-dir=" + folder, "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False, preexec_fn=place)
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._count, self.events = b"", 0, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Network", "Runtime", "Accessibility"):
            self.call(domain + ".enable")

    def _read(self):
        until = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(until - time.monotonic(), 0))[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self._in, 1 << 20)
            if not data:
                raise EOFError("the browser has gone")
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, url, width=WIDE, language="en", dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def evaluate(self, expression):
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def press_tab(self):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)

    def screenshot(self):
        """The page as far as there is something on it."""
        width = self.evaluate("document.documentElement.clientWidth")
        height = self.evaluate("Math.ceil(document.querySelector('footer').getBoundingClientRect().bottom)")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        return base64.b64decode(
            self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"])

    def tree(self):
        """What a screen reader is told: (role, name) in order."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]

    def close(self):
        self._process.terminate()
        self._process.wait(PATIENCE)
        os.close(self._in)
        os.close(self._out)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def edit(path, old, new):
    text = path.read_text()
    assert old in text, (path, old)
    path.write_text(text.replace(old, new, 1))


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls._folder = tempfile.TemporaryDirectory()
        cls.place = pathlib.Path(cls._folder.name)
        cls.pictures = pathlib.Path(os.environ.get("SKS_SCREENSHOTS") or cls.place)
        cls.origin = f"https://localhost:{free_port()}"
        cls.issuer = cls.place / "issuer"
        cls.run_issuer("init", "--url", cls.origin + "/keygen2", "--device-trust", "open")
        edit(cls.issuer / "issuer.toml", '# issuer_name = "Example Bank"', 'issuer_name = "Example Bank"')
        edit(cls.issuer / "issuer.toml", "# help = ", "help = ")
        edit(cls.issuer / "profiles/pair.toml", "[[pin_policy]]",
             '[puk_policy]\nformat = "numeric"\nlength = 8\nretry_limit = 3\n\n[[lookup]]\naction = "delete"\n\n'
             "[[pin_policy]]")
        edit(cls.issuer / "profiles/pair.toml", 'friendly_name = "Signature key"',
             'friendly_name = "Signature key"\n  signature_profile = "mss:bank.example:approve-payment:high:qscd"')
        cls.log = open(cls.place / "log", "w+", encoding="utf-8")
        cls.server = subprocess.Popen([ISSUER, "serve", "--dir", cls.issuer], stdout=subprocess.PIPE, stderr=cls.log,
                                      text=True)
        assert "listening" in cls.server.stdout.readline(), (cls.place / "log").read_text()
        cls.browser = Chromium(str(cls.place / "chromium"))

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        cls.server.terminate()
        cls.server.wait(PATIENCE)
        cls.server.stdout.close()
        cls.log.close()
        cls._folder.cleanup()

    @classmethod
    def run_issuer(cls, command, *arguments):
        done = subprocess.run([ISSUER, command, "--dir", cls.issuer, *arguments], check=True, capture_output=True,
                              text=True, timeout=PATIENCE)
        return done.stdout

    def ticket(self, profile="pair", subject="CN=Jo Doe,O=Example"):
        """The secret of a new ticket."""
        made = json.loads(self.run_issuer("ticket", "--profile", profile, "--subject", subject, "--json"))
        return made["init"].split("ticket=")[1]

    def check(self, name, url, text, status=200, languages=("en", "de")):
        """Opens a page in all widths, colours and languages, and takes its picture."""
        for width, dark, language in [(WIDE, False, "en"), (NARROW, True, "de"), (NARROW, False, "en")]:
            if language not in languages:
                continue
            with self.subTest(page=name, width=width, dark=dark, language=language):
                self.browser.open(url, width, language, dark)
                received = [event["params"]["response"] for event in self.browser.events
                            if event["method"] == "Network.responseReceived"]
                self.assertEqual(received[0]["status"], status)
                self.assertEqual([answer["url"] for answer in received[1:]], [self.origin + "/landing/style.css"])
                self.assertEqual([event for event in self.browser.events
                                  if event["method"] == "Log.entryAdded" and "favicon" not in str(event)
                                  and f"status of {status}" not in str(event)], [])
                self.assertLessEqual(self.browser.evaluate("document.documentElement.scrollWidth"), width)
                self.assertEqual(self.browser.evaluate("document.documentElement.lang"), language)
                self.assertEqual(self.browser.evaluate("document.querySelectorAll('h1').length"), 1)
                self.assertEqual(self.browser.evaluate("document.scripts.length"), 0)
                if language == "en":
                    self.assertIn(text, self.browser.evaluate("document.body.innerText"))
                colour = self.browser.evaluate("getComputedStyle(document.querySelector('main')).backgroundColor")
                self.assertEqual(colour, "rgb(26, 31, 41)" if dark else "rgb(255, 255, 255)")
                picture = self.browser.screenshot()
                self.assertTrue(picture.startswith(b"\x89PNG"))
                suffix = "" if width == WIDE else "-narrow-dark" if dark else "-narrow"
                if suffix != "-narrow":
                    (self.pictures / f"landing-{name}{suffix}.png").write_bytes(picture)

    def test_ticket(self):
        secret = self.ticket()
        url = f"{self.origin}/ticket/{secret}"
        self.check("ticket", url, "Open in my key store")
        self.browser.open(url)
        link = self.browser.evaluate("document.querySelector('a.button').href")
        self.assertTrue(link.startswith("keygen2://?init=https%3A%2F%2Flocalhost"))
        self.assertIn(secret, link)
        self.assertEqual(self.browser.evaluate("document.querySelector('pre').innerText"), f"sks enroll '{link}'")
        # With the keyboard alone: the button first, then the command.
        self.browser.press_tab()
        self.assertEqual(self.browser.evaluate("document.activeElement.className"), "button")
        self.assertNotEqual(self.browser.evaluate("getComputedStyle(document.activeElement).outlineStyle"), "none")
        self.browser.press_tab()
        self.assertEqual(self.browser.evaluate("document.activeElement.tagName"), "PRE")
        told = self.browser.tree()
        for expected in [("main", ""), ("heading", "Your keys are waiting"), ("link", "Open in my key store"),
                         ("heading", "What you get"), ("image", "QR code with the address of this page"),
                         ("region", "With a command")]:
            self.assertIn(expected, told)
        # A browser at the init URL is shown the same, and so far nothing has been spent.
        self.browser.open(f"{self.origin}/keygen2?ticket={secret}")
        self.assertEqual(self.browser.evaluate("document.querySelector('h1').innerText"), "Your keys are waiting")
        # The code is read by a decoder of another project.
        (self.place / "page.png").write_bytes(self.browser.screenshot())
        read = subprocess.run(["zbarimg", "--nodbus", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable",
                               self.place / "page.png"], check=True, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(read.stdout.strip(), url)
        self.log.flush()
        self.assertNotIn(secret, (self.place / "log").read_text())

    def test_hostile_names(self):
        subject = 'CN=<img src=x onerror=alert(1)>\\"\\,' + "x" * 32 + ",O=" + "W" * 60
        self.check("hostile", f"{self.origin}/ticket/{self.ticket('default', subject)}", "<img src=x onerror=alert(1)>")
        self.assertEqual(self.browser.evaluate("document.images.length"), 0)

    def test_closed_links(self):
        used = self.ticket("default")
        done = subprocess.run(["curl", "-sS", "--cacert", self.issuer / "ca.pem", "--fail", "-o", "/dev/null",
                               f"{self.origin}/keygen2?ticket={used}"], timeout=PATIENCE)
        self.assertEqual(done.returncode, 0)
        self.check("used", f"{self.origin}/ticket/{used}", "This link has been used", 410)
        self.check("unknown", f"{self.origin}/ticket/none", "This link is not known here", 404)

    def test_results(self):
        for name, query, text in [
            ("complete", "outcome=complete", "Done"),
            ("refused", "outcome=refused&reason=device", "The issuer does not accept this device"),
            ("cancelled", "outcome=cancelled", "You have cancelled"),
        ]:
            self.check(name, f"{self.origin}/result?{query}", text)


if __name__ == "__main__":
    unittest.main()
