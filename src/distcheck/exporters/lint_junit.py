"""`lint` as JUnit XML: a suite a file, a case a finding, and one for what is not judged."""

from collections import defaultdict
from xml.etree import ElementTree as ET

from distcheck.checks.manifest.finding import Level
from distcheck.checks.manifest.report import LintFinding, LintReport, NotJudged, as_grave
from distcheck.exporters.lint_concise import headline
from distcheck.exporters.typography import visible


def render_junit(report: LintReport, failing: Level) -> str:
    """One document; findings as grave as `failing` are failures."""
    root = ET.Element("testsuites", name="distcheck lint")
    by_file: dict[str, list[ET.Element]] = defaultdict(list)
    for one in report.findings:
        by_file[one.at.file].append(_case(one, failing))
    for bad in report.grave:
        by_file[bad.file].append(_not_judged(bad))
    for file, cases in by_file.items():
        root.append(_suite(file, cases))
    if not by_file:
        root.append(_clean(report))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _not_judged(bad: NotJudged) -> ET.Element:
    kind = "bug" if bad.bug else "unreadable"
    what = f"judged by {bad.rule or 'all rules'}" if bad.bug else "readable"
    name = f"{what} (line {bad.line})"
    case = ET.Element("testcase", classname=visible(bad.file), name=name, time="0")
    text = f"{bad.file}:{bad.line}:{bad.column}: {bad.says}\n{bad.trace}"
    said = "\n".join(visible(line) for line in text.split("\n") if line)
    ET.SubElement(case, "error", type=kind, message=visible(bad.says)).text = said
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
    name = f"{headline(one)} (line {one.at.line})"
    case = ET.Element("testcase", classname=visible(one.at.file), name=visible(name), time="0")
    unseen = f"Not seen: {one.unseen}" if one.unseen else ""
    text = f"{one.at.file}:{one.at.line}:{one.at.column}\n{one.says}\n{unseen}\n{one.fix}"
    said = "\n".join(visible(line) for line in text.split("\n") if line)
    if one.silenced is not None:
        ET.SubElement(case, "skipped", message=visible(f"silenced: {one.silenced}"))
    elif as_grave(one.level, failing):
        ET.SubElement(case, "failure", type=one.level, message=visible(one.says)).text = said
    else:
        ET.SubElement(case, "system-out").text = f"{one.level}: {said}"
    return case


def _clean(report: LintReport) -> ET.Element:
    """A pass that says what was judged; where that was nothing, it is skipped."""
    name = f"{report.objects} objects by {report.rules} rules"
    case = ET.Element("testcase", classname="lint", name=name, time="0")
    if report.judged:
        ET.SubElement(case, "system-out").text = visible("; ".join(report.groups))
    else:
        ET.SubElement(case, "skipped", message="nothing here serves a model")
    return _suite("distcheck lint", [case])
