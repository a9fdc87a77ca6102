"""The whole tool as `make run` starts it, with its lab, and a Chromium to use it with."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from deploy.start.place import PROJECT, free_port
from tests.conftest import eventually

START_SECONDS = 300
SCREENSHOTS = PROJECT / "screenshots"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",  # CI runs as root, where Chromium refuses its sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Tool:
    """A running `make run`."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str
    vip_port: int
    var: Path

    @property
    def text(self) -> str:
        """What it has printed."""
        return self.log.read_text(errors="replace")

    @property
    def password(self) -> str:
        """The password that it printed once."""
        found = re.search(r"password\s+(\S+)\s+\(shown only now", self.text)
        assert found, f"no password was printed:\n{self.text}"
        return found[1]

    def stop(self) -> int:
        """Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


def start(folder: Path, lab: str = "auto") -> Tool:
    """Starts the tool in a folder of its own and waits until it says that the cluster is there."""
    port, vip_port = free_port(), free_port()
    log = folder / "run.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "deploy/run.py"],
            cwd=PROJECT,
            env={
                **os.environ,
                "PIRANHA_VAR": str(folder / "var"),
                "PIRANHA_PORT": str(port),
                "PIRANHA_VIP_PORT": str(vip_port),
                "PIRANHA_LAB": lab,
            },
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    tool = Tool(process, log, f"http://localhost:{port}", vip_port, folder / "var")

    def is_up() -> bool:
        assert process.poll() is None, f"make run ended:\n{tool.text}"
        return "The lab is up" in tool.text or "nothing is written to a kernel" in tool.text

    eventually(is_up, f"the tool is up; so far it printed:\n{tool.text}", START_SECONDS)
    return tool


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the modules that share the tool, the main job comes first and Ctrl-C last."""
    ours = [item for item in items if item.path.parent == Path(__file__).parent]
    order = {"test_main_job": 0, "test_ctrl_c": 2}
    others = [item for item in items if item not in ours]
    items[:] = others + sorted(ours, key=lambda item: order.get(item.path.stem, 1))


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    """The tool with its lab, which takes a minute to boot: one for the session; ended with Ctrl-C.

    A module finds what others have applied; it begins by importing its own candidate.
    """
    running = start(tmp_path_factory.mktemp("run"), os.environ.get("PIRANHA_LAB", "auto"))
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Its loop runs in this thread, which is no reason for Django to refuse the database to tests.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page in a fresh context. Any error in the browser's console fails the test."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: dialog.accept())
    yield page
    context.close()
    assert complaints == []


def log_in(page: Page, tool: Tool) -> None:
    """Logs in as the administrator."""
    page.goto(f"{tool.url}/login")
    page.get_by_label("User").fill("piranha")
    page.get_by_label("Password").fill(tool.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{tool.url}/")


def shot(page: Page, name: str) -> None:
    """A screenshot for somebody to look at; with PIRANHA_SCREENSHOTS light and dark, wide and narrow."""
    SCREENSHOTS.mkdir(exist_ok=True)
    if not os.environ.get("PIRANHA_SCREENSHOTS"):
        page.screenshot(path=SCREENSHOTS / f"{name}-light-1400.png", full_page=True)
        return
    for scheme in ("light", "dark"):
        for width in (1400, 390):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_viewport_size({"width": width, "height": 1000})
            page.evaluate("() => window.scrollTo(0, 0)")  # what sticks to the top is at the top then
            page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}-{width}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1400, "height": 1000})
