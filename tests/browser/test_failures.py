"""What the pages say, and how soon, when a part between the browser and the router stands still."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Tool, log_in, start
from tests.browser.panels import INTERVAL, import_sample, watch

pytestmark = pytest.mark.browser

TWO_REFRESHES_MS = 2 * INTERVAL * 1000 + 7000  # and the time after which a part is said to be silent
ANSWERS_MS = 10_000  # no page may take longer, whatever hangs
PATIENCE_MS = 30_000  # a refresh, and the ten seconds that a page waits for the manager


@pytest.fixture(scope="module")
def planning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tool]:
    """The tool with routers that only plan: what is tried here is between browser and pulse."""
    running = start(tmp_path_factory.mktemp("run"), lab="none")
    yield running
    running.stop()


@pytest.fixture
def unheeded(chromium: Browser) -> Iterator[Page]:
    """A page whose browser may complain: of a manager that does not answer."""
    context = chromium.new_context()
    yield context.new_page()
    context.close()


@contextmanager
def standing_still(tool: Tool, words: str) -> Iterator[None]:
    """Stops the processes of this tool whose command line has these words, as a hanging machine would."""
    found = [pid for pid in descendants(tool.process.pid) if words in command_line(pid)]
    assert found, f"no process has {words!r}"
    for pid in found:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in found:
            os.kill(pid, signal.SIGCONT)


def descendants(ancestor: int) -> list[int]:
    """The children of a process, and theirs."""
    every = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    parents = {pid: parent(pid) for pid in every}
    found = [ancestor]
    for one in found:
        found += [pid for pid, its in parents.items() if its == one]
    return found[1:]


def command_line(pid: int) -> str:
    """The words of a process; "" when it has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def parent(pid: int) -> int:
    """The parent of a process (proc(5), stat); 0 when it has just ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def watched(page: Page, tool: Tool) -> None:
    """The control page, updating itself as often as it can, of a cluster that is well."""
    log_in(page, tool)
    watch(page, tool)
    expect(page.locator("#status-line")).to_contain_text("r1: active")


def test_a_worker_that_hangs_is_said_within_two_refreshes_and_apply_waits_for_it(
    planning: Tool, page: Page
) -> None:
    watched(page, planning)
    with standing_still(planning, "worker --router r2"):
        line = page.locator("#status-line")
        expect(line).to_contain_text("r2: its worker has been silent", timeout=TWO_REFRESHES_MS)
        expect(line).to_contain_text("r1: active")
        import_sample(page, planning)
        page.set_default_timeout(ANSWERS_MS)
        page.get_by_role("link", name="Review and apply").first.click()
        expect(page.get_by_text("What you apply waits for it in its queue.")).to_be_visible()
        page.get_by_role("button", name=re.compile("^Apply to")).click()
        deployments = page.locator("#deployments")
        expect(deployments).to_contain_text("nothing has changed there", timeout=30_000)
        expect(deployments.get_by_role("heading", name=re.compile("r1.*applied"))).to_be_visible(
            timeout=30_000
        )
    expect(deployments.get_by_role("heading", name=re.compile("r2.*applied"))).to_be_visible(timeout=30_000)


def test_a_pulse_that_hangs_is_said_with_what_it_means(planning: Tool, page: Page) -> None:
    watched(page, planning)
    with standing_still(planning, "pulse --planning --no-checks --name r1"):
        expect(page.locator("#status-line")).to_contain_text(
            re.compile("r1: (pulse does not answer|its worker has been silent)"), timeout=TWO_REFRESHES_MS
        )
    expect(page.locator("#status-line")).to_contain_text("r1: active", timeout=30_000)


def test_a_redis_that_hangs_is_said_and_every_page_still_comes(planning: Tool, page: Page) -> None:
    watched(page, planning)
    with standing_still(planning, "redis-server"):
        expect(page.locator("#status-line")).to_contain_text(
            "Redis cannot be reached", timeout=TWO_REFRESHES_MS
        )
        for path in ("", "virtual-servers", "review", "history"):
            answer = page.goto(f"{planning.url}/{path}", timeout=ANSWERS_MS)
            assert answer is not None
            assert answer.status == 200
    page.goto(planning.url)
    expect(page.locator("#status-line")).to_contain_text("r1: active", timeout=60_000)


def test_a_manager_that_falls_silent_is_said_at_once_and_what_stands_there_is_hatched_as_old(
    planning: Tool, unheeded: Page
) -> None:
    watched(unheeded, planning)
    live, banner = unheeded.locator("#live"), unheeded.locator("#no-news")
    with standing_still(planning, "gunicorn"):
        expect(banner).to_contain_text("No news from the manager since", timeout=PATIENCE_MS)
        expect(banner).to_contain_text("it does not answer.")
        expect(banner).to_contain_text("the routers go on without it")
        expect(live).to_have_class(re.compile("old-news"))
    expect(banner).to_have_count(0, timeout=PATIENCE_MS)
    expect(live).not_to_have_class(re.compile("old-news|stale"))
    unheeded.route("**/live*", lambda route: route.abort())
    expect(banner).to_contain_text("it cannot be reached from this browser", timeout=PATIENCE_MS)
