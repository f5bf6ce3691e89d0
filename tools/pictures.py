"""`make pictures`: the dashboard, reports and findings as the docs show them, of labs with faults.

The dashboard is drawn from its JSON and what a real Prometheus answers to its queries, not by
Grafana. Takes some minutes: its groups have a history.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from board_picture.frames import Source
from board_picture.picture import picture
from watched_lab import WatchedLab

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from tools.shown import reports, settled
from tools.svg import svg

from distcheck.agent.manifests.lint import Asked, lint_texts
from distcheck.checks.manifest.rules import rules
from distcheck.exporters.formats import Page, render
from distcheck.exporters.lint_text import render_text
from distcheck.exporters.typography import Ink

ROOT = Path(__file__).parents[1]
BEFORE = {
    "llm-chat": "healthy-tp16", "llm-prod": "healthy-tp16", "llm-dev": "8b-tp8",
    "llm-batch": "half-seen",
}  # fmt: skip
AFTER = {"llm-chat": "socket-fallback", "llm-prod": "replicated"}
TOP = ("All groups", "$namespace/$workload", "Who holds what")
SECONDS = 50.0
_COLUMNS = 84


def main() -> None:
    """Let the labs run, put faults in, and draw."""
    board = json.loads((ROOT / "deploy/grafana/distcheck.json").read_text())
    with WatchedLab(every="5s", interval="20s") as lab:
        for namespace, scenario in BEFORE.items():
            lab.watch(namespace, scenario)
        _settle(lab, BEFORE)
        start = time.time()
        time.sleep(SECONDS)
        for namespace, scenario in AFTER.items():
            lab.watch(namespace, scenario)
        _settle(lab, AFTER)
        time.sleep(SECONDS)
        end = time.time()
        images = ROOT / "docs/images"
        for name, namespace, rows in (
            ("dashboard-top", "llm-prod", TOP),
            ("dashboard", "llm-chat", ()),
        ):
            chosen = {"namespace": namespace, "workload": "vllm-head"}
            source = Source(lab.get, start, end, chosen)
            drawn = picture(board, source, rows, ["vllm-head-0", "vllm-worker-0"])
            (images / f"{name}.svg").write_text(drawn, encoding="utf-8")


def _settle(lab: WatchedLab, groups: dict[str, str]) -> None:
    for namespace in groups:
        lab.until(f'distcheck_verdict{{workload_namespace="{namespace}"}} == 1', 120)


def report() -> None:
    """The report of two copies of a model, in a terminal and as a browser shows it."""
    ((_, told),) = reports(["replicated"])
    told, images = settled(told), ROOT / "docs" / "images"
    text = render("text", [told], Page(width=_COLUMNS, colour=True)).strip("\n")
    text = "\n\n".join((*text.split("\n\n")[:3], "  ..."))
    (images / "verify-replicated.svg").write_text(svg("distcheck verify vllm-head-0", text))
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(render("html", [told], Page()), encoding="utf-8")
        taken = f"--screenshot={images}/report-replicated.png"
        browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        seen = [*browser, "--window-size=1000,912", taken, page.as_uri()]
        subprocess.run(seen, check=True, stderr=subprocess.DEVNULL)


def lint() -> None:
    """Some findings in manifests of a public tutorial, whose names do not fit each other."""
    text = (ROOT / "tests/lint/manifests/broken/tutorial-names.yaml").read_text("utf-8")
    told = lint_texts([("deploy/vllm-405b.yaml", text.partition("\n")[2])], Asked(rules()))
    shown = render_text(told, Page(width=_COLUMNS), Ink(colour=True)).strip("\n").split("\n\n")
    kept = [part for part in shown[:-2] if re.search("error|CONF060.*head", part)]
    text = "\n\n".join((*kept, "  ...", *shown[-2:]))
    picture = svg("distcheck lint deploy/", text)
    (ROOT / "docs/images/lint-tutorial.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    lint()
    report()
    main()
