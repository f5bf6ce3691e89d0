"""A test that failed while the machine stood still says nothing: it is run again, and counted.

Virtual machines are stopped for seconds at a time. What has two seconds to answer answers too
late then, as it should, and a test that waits for the answer fails. pytest-rerunfailures would
do the same, but talks over a socket for each test: ours are many and short.
"""

import threading
import time

import pytest
from _pytest.runner import runtestprotocol
from _pytest.terminal import TerminalReporter

_PERIOD, _TOO_LATE = 0.05, 0.3
_ATTEMPTS = 3


class Standstill:
    """A thread that wants to wake every 50 ms, and notes when it was more than 0.3 s late."""

    def __init__(self) -> None:
        self._begun = self._last = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="standstill")

    def start(self) -> None:
        """Watch from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        self._thread.join()

    def begin(self) -> None:
        """A test begins: standstills before do not count."""
        self._begun = time.monotonic()

    def was_seen(self) -> bool:
        """Whether the machine stood still since the test began."""
        self._over.wait(2 * _PERIOD)
        return self._last > self._begun

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._over.wait(_PERIOD):
            now = time.monotonic()
            if now - before > _PERIOD + _TOO_LATE:
                self._last = now
            before = now


class Again:
    """The plugin: three attempts at most, each one told."""

    def __init__(self, watch: Standstill | None = None) -> None:
        self._watch = watch or Standstill()

    def pytest_sessionstart(self) -> None:
        """Watch the machine that the tests run on."""
        self._watch.start()

    def pytest_sessionfinish(self) -> None:
        """Its watch ends with the tests."""
        self._watch.stop()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """As pytest does it, and again after a failure that a standstill may explain."""
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for left in reversed(range(_ATTEMPTS)):
            self._watch.begin()
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
            failed = [r for r in reports if r.failed]
            again = bool(failed and left) and self._watch.was_seen()
            for report in failed if again else reports:
                report.outcome = "rerun" if again else report.outcome  # type: ignore[assignment]
                item.ihook.pytest_runtest_logreport(report=report)
            if not again:
                break
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """An attempt that does not count is an R."""
        again = str(report.outcome) == "rerun"
        return ("rerun", "R", ("RERUN", {"yellow": True})) if again else None

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Which they were, and how they failed."""
        for report in terminalreporter.getreports("rerun"):
            said = str(report.longrepr).splitlines()[-1:]
            terminalreporter.write_line(f"AGAIN {report.nodeid}: the machine stood still: {said}")
