"""A client without cryptography that makes one mistake, for the tests of the kit. It goes as far as InvocationResponse.

usage: faulty_client.py MISTAKE INIT MAIN COOKIE CA
"""

import http.client
import json
import ssl
import sys
import urllib.parse


def exchange(url, method, headers, body, trust):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=trust, timeout=20)
    connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body, headers)
    response = connection.getresponse()
    return response, response.read()


def main():
    mistake, init, url, cookie, ca = sys.argv[1:]
    trust = ssl.create_default_context(cafile=ca)
    if mistake == "trusts-anybody":
        trust = ssl._create_unverified_context()
    headers = {"Cookie": "none=at-all" if mistake == "forgets-the-cookie" else cookie}
    response, body = exchange(init, "GET", headers, None, trust)
    # json takes the last of two equal names, and has nothing against properties that it does not know.
    request = json.loads(body.decode("utf-8-sig"))
    answer = {
        "@context": request["@context"],
        "@qualifier": "InvocationResponse",
        "serverSessionId": request["serverSessionId"],
    }
    if mistake == "other-session":
        answer["serverSessionId"] = "another-session"
    if "clientCapabilityQuery" in request and mistake != "answers-no-query":
        answer["clientCapabilities"] = [{"type": query, "supported": False} for query in request["clientCapabilityQuery"]]
    if mistake == "adds-a-property":
        answer["version"] = "1"
    text = json.dumps(answer)
    if mistake == "repeats-a-name":
        text = text.replace("{", '{"@qualifier": "InvocationResponse", ', 1)
    headers["Content-Type"] = "application/json; charset=utf-8" if mistake == "content-type" else "application/json"
    exchange(url, "PUT" if mistake == "method" else "POST", headers, text, trust)
    if mistake == "repeats-for-ever":
        for _ in range(3):
            exchange(url, "POST", headers, text, trust)
    if mistake == "repeats-something-else":
        exchange(url, "POST", headers, text + " ", trust)
    return 0


if __name__ == "__main__":
    sys.exit(main())
