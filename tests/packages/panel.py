"""A browser without a screen: panel.py PORT PASSWORD LVS_CF MESSAGE, run on the machine under test.

Logs in as piranha, imports that lvs.cf and applies it; prints the address of the revision.
"""

from __future__ import annotations

import re
import ssl
import sys
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path


class Panel:
    """The pages of a site. context: the certificates that are believed there."""

    def __init__(self, site: str, context: ssl.SSLContext | None = None) -> None:
        self.site = site
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self.opener = urllib.request.build_opener(cookies, urllib.request.HTTPSHandler(context=context))

    def log_in(self, password: str) -> bool:
        """As the account piranha; whether it was let in."""
        address, _ = self.post(self.get("/login"), "/login", username="piranha", password=password)
        return "/login" not in address

    def apply(self, lvs_cf: str, message: str) -> str:
        """Imports an lvs.cf and applies it; the address of the revision."""
        _, report = self.post(self.get("/import"), "/import", text=lvs_cf)
        self.post(report, "/import/confirm", edition="", text=lvs_cf, verb="replace")
        return self.post(self.get("/review"), "/apply", edition="", message=message)[0]

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
    panel = Panel(f"http://127.0.0.1:{port}")
    if not panel.log_in(password):
        print("the login was refused")
        return 1
    print(panel.apply(Path(path).read_text(encoding="utf-8"), message))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
