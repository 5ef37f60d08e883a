"""A pinentry program that answers as a test says.

usage: scripted_pinentry.py FOLDER

FOLDER/script.json is a list with one object for each process, the last one for all further ones: what to answer to
which command, "OK" if nothing is said. "greeting" is what it begins with. An answer is text, or one of ACTIONS. What the
program gets is appended to FOLDER/log, one line each behind the number of the process.
"""
import json
import os
import signal
import sys
import time

# Without that of this folder itself.
open_files = sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1]
folder = sys.argv[1]
log_name = os.path.join(folder, "log")
number = 1
if os.path.exists(log_name):
    with open(log_name, encoding="utf-8") as earlier:
        number += sum(line.endswith(" started\n") for line in earlier)
log = open(log_name, "a", encoding="utf-8", buffering=1)
with open(os.path.join(folder, "script.json"), encoding="utf-8") as file:
    scripts = json.load(file)
script = scripts[min(number, len(scripts)) - 1]


def tell(text):
    os.write(1, text.encode("utf-8"))


def hang():
    while True:
        time.sleep(3600)


def ignore_everything():
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    tell("HELLO\n")
    hang()


def flood(text):
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    while True:
        tell(text)


def interrupt_caller():
    os.kill(os.getppid(), signal.SIGINT)
    hang()


ACTIONS = {
    "@die": lambda: os._exit(3),
    "@hang": hang,
    "@nonsense, and ignore everything": ignore_everything,
    "@endless line": lambda: flood("D" + "x" * 4096),
    "@endless comments": lambda: flood("# a comment\n" * 100),
    "@endless data": lambda: flood("D " + "1" * 500 + "\n"),
    "@interrupt caller": interrupt_caller,
}


def answer(command):
    what = script.get(command, "OK")
    if what in ACTIONS:
        ACTIONS[what]()
    elif what.startswith("@byte by byte "):
        for byte in what.removeprefix("@byte by byte ") + "\n":
            tell(byte)
    else:
        tell(what + "\n")


log.write(f"{number} started\n")
log.write(f"{number} process {os.getpid()}\n")
log.write(f"{number} arguments {sys.argv[2:]} files {open_files}\n")
answer("greeting")
for line in sys.stdin:
    log.write(f"{number} {line}")
    answer(line.split()[0])
    if line.startswith("BYE"):
        break
