"""`lint` as JUnit XML: a suite a file, a case a finding, and one for what cannot be read."""

from collections import defaultdict
from xml.etree import ElementTree as ET

from distcheck.checks.manifest.finding import Level
from distcheck.checks.manifest.report import LintFinding, LintReport, NotJudged, as_grave
from distcheck.exporters.typography import visible


def render_junit(report: LintReport, failing: Level) -> str:
    """One document; findings as grave as `failing` are failures."""
    root = ET.Element("testsuites", name="distcheck lint")
    by_file: dict[str, list[ET.Element]] = defaultdict(list)
    for one in report.findings:
        by_file[one.at.file].append(_case(one, failing))
    for bad in report.not_judged:
        if bad.unreadable:
            by_file[bad.file].append(_unreadable(bad))
    for file, cases in by_file.items():
        root.append(_suite(file, cases))
    if not by_file:
        root.append(_clean(report))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _unreadable(bad: NotJudged) -> ET.Element:
    file = visible(bad.file)
    case = ET.Element("testcase", classname=file, name=f"readable (line {bad.line})", time="0")
    text = f"{file}:{bad.line}:{bad.column}: {visible(bad.says)}"
    ET.SubElement(case, "error", type="unreadable", message=visible(bad.says)).text = text
    return case


def _suite(file: str, cases: list[ET.Element]) -> ET.Element:
    kinds = [child.tag for case in cases for child in case]
    suite = ET.Element(
        "testsuite", name=visible(file), tests=str(len(cases)), errors=str(kinds.count("error")),
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
