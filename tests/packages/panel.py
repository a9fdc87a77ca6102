"""A browser without a screen, run on the machine under test: panel.py PORT PASSWORD LVS_CF MESSAGE.

Logs in as piranha, imports that lvs.cf and applies it; prints the address of the revision.
"""

from __future__ import annotations

import re
import sys
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path


class Panel:
    """The pages of the site at that port."""

    def __init__(self, port: str) -> None:
        self.site = f"http://127.0.0.1:{port}"
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self.opener = urllib.request.build_opener(cookies)

    def get(self, path: str) -> str:
        with self.opener.open(self.site + path, timeout=60) as answer:
            return answer.read().decode()

    def post(self, shown: str, path: str, **fields: str) -> tuple[str, str]:
        """Sends a form of a page (its text); the address that it led to, and what is there."""
        fields["csrfmiddlewaretoken"] = value(shown, "csrfmiddlewaretoken")
        if "edition" in fields:
            fields["edition"] = value(shown, "edition")
        request = urllib.request.Request(
            self.site + path, urllib.parse.urlencode(fields).encode(), {"Referer": self.site + path}
        )
        with self.opener.open(request, timeout=60) as answer:
            return answer.geturl(), answer.read().decode()


def value(page: str, name: str) -> str:
    """Of a hidden field."""
    return re.search(rf'name="{name}" value="([^"]*)"', page)[1]


def main(port: str, password: str, path: str, message: str) -> int:
    panel = Panel(port)
    address, _ = panel.post(panel.get("/login"), "/login", username="piranha", password=password)
    if "/login" in address:
        print("the login was refused")
        return 1
    text = Path(path).read_text(encoding="utf-8")
    _, report = panel.post(panel.get("/import"), "/import", text=text)
    panel.post(report, "/import/confirm", edition="", text=text, verb="replace")
    address, _ = panel.post(panel.get("/review"), "/apply", edition="", message=message)
    print(address)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
