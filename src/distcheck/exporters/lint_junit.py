"""`lint` as JUnit XML: a suite a file, a case a finding; errors and warnings fail, hints do not."""

from collections import defaultdict
from xml.etree import ElementTree as ET

from distcheck.checks.manifest.finding import Level
from distcheck.checks.manifest.report import LintFinding, LintReport, as_grave
from distcheck.exporters.typography import visible


def render_junit(report: LintReport, failing: Level) -> str:
    """One document; findings as grave as `failing` are failures."""
    root = ET.Element("testsuites", name="distcheck lint")
    by_file: dict[str, list[LintFinding]] = defaultdict(list)
    for one in report.findings:
        by_file[one.at.file].append(one)
    for file, found in by_file.items():
        root.append(_suite(file, found, failing))
    if not by_file:
        root.append(_clean(report))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(file: str, found: list[LintFinding], failing: Level) -> ET.Element:
    cases = [_case(one, failing) for one in found]
    kinds = [child.tag for case in cases for child in case]
    suite = ET.Element(
        "testsuite", name=visible(file), tests=str(len(cases)), errors="0",
        failures=str(kinds.count("failure")), skipped=str(kinds.count("skipped")), time="0",
    )  # fmt: skip
    suite.extend(cases)
    return suite


def _case(one: LintFinding, failing: Level) -> ET.Element:
    name = f"{one.id} {one.title} (line {one.at.line})"
    case = ET.Element("testcase", classname=visible(one.at.file), name=visible(name), time="0")
    text = f"{one.at.file}:{one.at.line}:{one.at.column}\n{one.says}\n{one.unseen}\n{one.fix}"
    said = "\n".join(visible(line) for line in text.split("\n") if line)
    if one.silenced is not None:
        ET.SubElement(case, "skipped", message=visible(f"silenced: {one.silenced}"))
    elif as_grave(one.level, failing):
        ET.SubElement(case, "failure", type=one.level, message=visible(one.says)).text = said
    else:
        ET.SubElement(case, "system-out").text = f"{one.level}: {said}"
    return case


def _clean(report: LintReport) -> ET.Element:
    suite = ET.Element(
        "testsuite", name="distcheck lint", tests="1", errors="0", failures="0", skipped="0"
    )
    ET.SubElement(suite, "testcase", classname="lint", name=f"{report.objects} objects", time="0")
    return suite
