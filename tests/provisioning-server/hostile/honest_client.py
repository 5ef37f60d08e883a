"""Somebody who only wants a key, and gets it whatever happens to the issuer meanwhile."""

import os
import subprocess

from issuer_process import PATIENCE

PROGRAM = None  # cluster_client, which repeats every request until it is answered


class HonestClient:
    """An enrolment that begins at once, with the real client half of KeyGen2."""

    def __init__(self, issuer, ticket=None, count=1, **options):
        lines = "".join("{init} {url} {cookie}\n".format(**(ticket or issuer.make_ticket())) for _ in range(count))
        self.count = count
        self.process = subprocess.Popen([PROGRAM, os.path.join(issuer.folder, "ca.pem")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, **options)
        self.process.stdin.write(lines)
        self.process.stdin.close()

    def fingerprints(self):
        """Of the certificates that it has got. Waits for the end."""
        lines = self.process.stdout.read().splitlines()
        self.process.stdout.close()
        self.process.wait(2 * PATIENCE)
        assert len(lines) == self.count and all(line.startswith("complete ") for line in lines), lines
        return [word for line in lines for word in line.split()[1:]]
