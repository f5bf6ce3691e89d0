"""JUnit XML, as GitLab, Jenkins and Azure show it: a suite for each group, a case for each check.

The dialect is that of the Jenkins plug-in's schema (junit-10.xsd), which the others read too:
a case has one of `failure` and `skipped`, and text in `system-out`.
"""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from distcheck.checks.report import Finding, Report
from distcheck.exporters.formats import Page
from distcheck.exporters.outcome import counts, left_out, told, why_skipped
from distcheck.exporters.typography import visible


def render(reports: Sequence[Report], page: Page) -> str:
    """One document for all `reports`."""
    root = ET.Element("testsuites", {"name": "distcheck", **_tally(_all(reports), page)})
    del root.attrib["skipped"]  # which the schema has for a suite alone
    for report in reports:
        root.append(_suite(report, page))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _all(reports: Sequence[Report]) -> list[Finding]:
    return [finding for report in reports for finding in report.checks]


def _tally(findings: Sequence[Finding], page: Page) -> dict[str, str]:
    kinds = [counts(f, page) for f in findings]
    failed, skipped = kinds.count("failed"), kinds.count("skipped")
    return {
        "tests": str(len(kinds)),
        "failures": str(failed),
        "errors": "0",
        "skipped": str(skipped),
        "time": "0",
    }


def _suite(report: Report, page: Page) -> ET.Element:
    group = report.target.full_name
    suite = ET.Element("testsuite", {"name": visible(f"distcheck {group}")})
    suite.attrib.update(_tally(report.checks, page))
    suite.set("timestamp", visible(report.observed_at))
    about = ET.SubElement(suite, "properties")
    for name in ("verdict", "summary"):
        ET.SubElement(about, "property", name=name, value=visible(getattr(report, name)))
    if report.left_out:
        ET.SubElement(about, "property", name="left_out", value=left_out(report))
    for finding in report.checks:
        suite.append(_case(finding, group, page))
    return suite


def _case(finding: Finding, group: str, page: Page) -> ET.Element:
    name = f"{finding.id} {finding.title}"
    case = ET.Element("testcase", classname=visible(group), name=visible(name), time="0")
    kind = counts(finding, page)
    if kind == "failed":
        cause = finding.cause or finding.outcome
        failure = ET.SubElement(case, "failure", type=visible(cause), message=visible(finding.says))
        failure.text = _text(finding)
    elif kind == "skipped":
        reason = visible(why_skipped(finding))
        ET.SubElement(case, "skipped", message=reason).text = reason  # GitLab shows the text
    else:
        said = ET.SubElement(case, "system-out")
        said.text = f"warning: {_text(finding)}" if finding.outcome == "warn" else _text(finding)
    return case


def _text(finding: Finding) -> str:
    """XML 1.0 has no way to write most control characters, so they are escaped first."""
    return "\n".join(visible(line) for line in told(finding).splitlines())
