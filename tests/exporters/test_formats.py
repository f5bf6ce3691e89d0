"""Every format tells the same verdict, and none is broken by what a log or a name holds."""

import json
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.evidence_builder import healthy, without_look

from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Cite
from distcheck.checks.evidence.manifests import ManifestFinding, Manifests
from distcheck.checks.judging import judge
from distcheck.checks.report import Finding, Report
from distcheck.checks.verdict import Outcome
from distcheck.exporters.formats import FORMATS, Page, render

HEALTHY = judge(healthy(), catalog()).report
HALF = judge(without_look(healthy(), "vllm-worker-0"), catalog()).report
HOSTILE = "a|b \x1b[31m<script>@team `x` ::error::%0A\r\n]]>&\x00\ud800 #1"


def finding(outcome: Outcome, name: str = "NCCL002", *, core: bool = True) -> Finding:
    """One finding of this outcome."""
    loud = outcome in ("fail", "warn")
    return Finding(
        id=name,
        title="Ranks talk over RDMA",
        outcome=outcome,
        core=core,
        says=f"it is {outcome}",
        cause="no-ib-device" if loud else None,
        subjects=("vllm-head-0",) if loud else (),
        cites=(Cite("NET/Socket", "vllm-head-0:vllm/0.log:7"),),
        remedy="Give the pod\n\nits device." if loud else "",
    )


def report(*findings: Finding, verdict: Outcome = "fail") -> Report:
    """A report with these findings."""
    return structs.replace(HEALTHY, checks=findings, verdict=verdict, summary="NCCL002: sockets")


def shown(name: str, *reports: Report, page: Page = Page()) -> str:  # noqa: B008 - frozen
    """The reports in a format."""
    return render(name, reports, page)


class TestJUnit:
    """Suites, cases, and what each counts as."""

    def test_a_failure_has_its_cause_reason_evidence_and_remedy(self) -> None:
        case = ET.fromstring(shown("junit", report(finding("fail")))).find(".//testcase/failure")
        assert case is not None
        assert case.get("type") == "no-ib-device"
        assert case.get("message") == "it is fail"
        assert "vllm-head-0:vllm/0.log:7" in (case.text or "")
        assert "do: Give the pod its device." in (case.text or "")

    def test_an_unknown_is_skipped_with_its_reason(self) -> None:
        root = ET.fromstring(shown("junit", report(finding("unknown"), verdict="unknown")))
        skipped = root.find(".//skipped")
        assert skipped is not None
        assert skipped.get("message") == skipped.text == "unknown: it is unknown"
        assert root.get("failures") == "0"

    def test_an_unknown_that_counts_fails_where_the_exit_code_does(self) -> None:
        told = report(finding("unknown"), finding("unknown", "NCCL006", core=False))
        suite = ET.fromstring(shown("junit", told, page=Page(unknown_fails=True)))[0]
        assert (suite.get("failures"), suite.get("skipped")) == ("1", "1")

    def test_a_warning_passes_and_says_so_and_fails_where_it_is_strict(self) -> None:
        told = report(finding("warn"), verdict="warn")
        said = ET.fromstring(shown("junit", told)).find(".//system-out")
        assert said is not None
        assert (said.text or "").startswith("warning: it is warn")
        assert ET.fromstring(shown("junit", told, page=Page(strict=True))).get("failures") == "1"

    def test_several_groups_are_suites_of_one_document(self) -> None:
        root = ET.fromstring(shown("junit", HEALTHY, HALF))
        assert len(root.findall("testsuite")) == 2
        assert root.get("tests") == str(2 * len(catalog()))

    def test_elements_have_the_attributes_that_the_schema_of_jenkins_knows(self) -> None:
        """junit-10.xsd of its xUnit plug-in, which refuses a file with any other."""
        suite = {"name", "tests", "failures", "errors", "time"}
        known = {
            "testsuites": suite, "testsuite": suite | {"skipped", "timestamp"},
            "properties": set(), "property": {"name", "value"},
            "testcase": {"name", "time", "classname"}, "failure": {"type", "message"},
            "skipped": {"type", "message"}, "system-out": set(),
        }  # fmt: skip
        told = report(*(finding(o) for o in ("fail", "warn", "pass", "unknown", "skipped")))
        elements = list(ET.fromstring(shown("junit", told, HALF)).iter())
        assert {e.tag for e in elements} == set(known)
        assert all(set(e.attrib) <= known[e.tag] for e in elements)


class TestMarkdown:
    """A comment that people read on a phone."""

    def test_what_fails_is_told_in_full_and_what_passed_is_folded_away(self) -> None:
        text = shown("markdown", report(finding("fail"), finding("pass", "RAY001")))
        assert text.index("NCCL002: Ranks talk") < text.index("<summary>Passed: 1</summary>")
        assert "**What to do:** Give the pod its device." in text
        assert "| RAY001 | it is pass |" in text

    def test_commands_of_a_remedy_are_code(self) -> None:
        told = structs.replace(finding("fail"), remedy="Run `a --b *c*` and look at *d*.")
        assert "Run `a --b *c*` and look at \\*d\\*." in shown("markdown", report(told))

    def test_a_pipe_of_a_command_stays_a_pipe(self) -> None:
        told = structs.replace(finding("fail"), remedy="On the node: `dmesg | grep NVRM`.")
        assert "On the node: `dmesg | grep NVRM`." in shown("markdown", report(told))

    def test_names_and_logs_mention_nobody_and_make_no_markup(self) -> None:
        told = structs.replace(finding("fail"), says=HOSTILE)
        text = shown("markdown", report(told))
        assert "@team" not in text
        assert "&#64;" not in text
        assert "@&#8203;team" in text
        assert "#1" not in text
        assert "<script>" not in text
        assert "\\<script\\>" in text

    def test_a_table_keeps_its_two_columns_whatever_a_row_says(self) -> None:
        told = structs.replace(finding("pass"), says=HOSTILE)
        rows = [r for r in shown("markdown", report(told)).splitlines() if r.startswith("| NCCL")]
        assert len(rows) == 1
        assert len(re.findall(r"(?<!\\)\|", rows[0])) == 3

    @pytest.mark.parametrize(("groups", "count"), [(1, 250), (40, 10), (600, 1)])
    def test_a_comment_is_short_enough_and_tells_first_what_fails(
        self, groups: int, count: int
    ) -> None:
        checks = tuple(structs.replace(finding("fail"), says="it " * 99) for _ in range(count))
        told = [report(*checks, *HEALTHY.checks[:1])] * groups
        text = shown("markdown", *told)
        assert len(text) <= 65_536
        assert text.startswith("### ❌ distcheck: llm/vllm-head fails")
        assert "Shortened to fit" in text
        assert ("groups more" in text) == (groups == 600)

    def test_evidence_is_left_out_before_what_to_do(self) -> None:
        checks = tuple(structs.replace(finding("fail"), says="it " * 60) for _ in range(170))
        text = shown("markdown", report(*checks))
        assert text.count("**What to do:**") == 170
        assert "What was seen" not in text


class TestGithub:
    """Workflow commands."""

    def test_a_failure_is_an_error_and_a_warning_a_warning(self) -> None:
        text = shown("github", report(finding("fail"), finding("warn", "GPU001")))
        assert "::error title=NCCL002 no-ib-device::it is fail%0AGive the pod" in text
        assert "::warning title=GPU001 no-ib-device::it is warn" in text

    def test_an_undecided_supporting_check_is_no_annotation(self) -> None:
        text = shown("github", report(finding("unknown", core=False), verdict="pass"))
        assert "::" not in text

    @pytest.mark.parametrize("outcome", ["fail", "warn"])
    def test_a_rule_without_a_cause_is_titled_by_what_it_found(self, outcome: Outcome) -> None:
        told = structs.replace(finding(outcome, "CONF075"), cause=None, says="the tag is latest")
        assert "title=CONF075 the tag is latest::" in shown("github", report(told))

    def test_text_cannot_begin_another_command(self) -> None:
        told = structs.replace(finding("fail"), says="x\n::stop-commands::y")
        lines = shown("github", report(told)).splitlines()
        assert [line for line in lines if line.startswith("::stop")] == []

    def test_of_more_findings_than_a_step_shows_the_last_one_says_how_many(self) -> None:
        many = report(*(finding("fail") for _ in range(12)), finding("warn", "GPU001"))
        lines = shown("github", many, report(finding("fail"))).splitlines()
        errors = [line for line in lines if line.startswith("::error")]
        assert len(errors) == 10
        assert errors[0].startswith("::error title=llm/vllm-head%3A NCCL002 no-ib-device::")
        assert errors[-1].endswith("::4 findings more, all of them in the summary of this job")
        assert sum(line.startswith("::warning") for line in lines) == 1


def test_a_warning_that_passes_says_so_in_ctrf() -> None:
    (test,) = json.loads(shown("ctrf", report(finding("warn"))))["results"]["tests"]
    assert (test["status"], test["message"]) == ("passed", "warning: it is warn")


class TestNagios:
    """One line, a pipe, perfdata."""

    @pytest.mark.parametrize(
        ("verdict", "status"),
        [("pass", "OK"), ("warn", "WARNING"), ("fail", "CRITICAL"), ("unknown", "UNKNOWN")],
    )
    def test_the_status_is_the_verdict(self, verdict: Outcome, status: str) -> None:
        line = shown("nagios", report(finding("pass"), verdict=verdict))
        assert re.fullmatch(
            rf"DISTCHECK {status} - [^|\n]+ \| pass=1 warn=0 fail=0 unknown=0 skipped=0\n", line
        )

    def test_the_worst_of_several_groups_is_told_first(self) -> None:
        bad = report(finding("fail"))
        assert "- llm/vllm-head: NCCL002: sockets" in shown("nagios", HEALTHY, bad)
        assert shown("nagios", HEALTHY, bad).startswith("DISTCHECK CRITICAL")

    def test_perfdata_is_there_however_many_groups_there_are(self) -> None:
        told = structs.replace(report(finding("fail")), summary="NCCL002: " + "sockets " * 200)
        line = shown("nagios", *[told] * 50)
        assert len(line) < 1_024
        assert "; and 45 groups more | " in line
        assert line.endswith("fail=50 unknown=0 skipped=0\n")


class TestCtrf:
    """The document of ctrf.io."""

    def test_the_summary_counts_what_the_tests_are(self) -> None:
        told = report(finding("fail"), finding("pass"), finding("unknown"), finding("skipped"))
        results = json.loads(shown("ctrf", told))["results"]
        assert [t["status"] for t in results["tests"]] == ["failed", "passed", "skipped", "skipped"]
        assert results["summary"]["tests"] == 4
        assert (results["summary"]["failed"], results["summary"]["skipped"]) == (1, 2)
        assert results["summary"]["start"] > 1_700_000_000_000

    def test_it_has_the_properties_of_the_schema_and_no_other(self) -> None:
        """ctrf-io/ctrf, schema/ctrf.schema.json: no additional properties, a suite is a list."""
        told = report(*(finding(o) for o in ("fail", "warn", "pass", "unknown", "skipped")))
        results = json.loads(shown("ctrf", told))["results"]
        assert set(results) == {"tool", "summary", "tests"}
        assert set(results["tool"]) == {"name", "version"}
        counted = {"tests", "passed", "failed", "skipped", "pending", "other", "start", "stop"}
        assert set(results["summary"]) == counted
        kinds = {
            "name": str, "status": str, "duration": int, "rawStatus": str, "suite": list,
            "message": str, "tags": list, "trace": str,
        }  # fmt: skip
        for test in results["tests"]:
            assert {"name", "status", "duration"} <= set(test) <= set(kinds)
            assert all(isinstance(value, kinds[key]) for key, value in test.items())


class TestPrometheus:
    """Text exposition."""

    def test_one_series_of_each_is_one(self) -> None:
        text = shown("prometheus", report(finding("fail")))
        group = 'workload_namespace="llm",workload="vllm-head"'
        assert f'distcheck_verdict{{{group},verdict="fail"}} 1' in text
        assert f'distcheck_check_status{{{group},check="NCCL002",status="pass"}} 0' in text
        assert text.count("# TYPE distcheck_verdict gauge") == 1


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"json", "ctrf"}))
@given(says=st.text(max_size=80))
@settings(max_examples=25, deadline=None)
def test_no_text_of_others_drives_a_terminal_or_breaks_a_line_format(name: str, says: str) -> None:
    """Control characters are escaped in every format."""
    told = report(structs.replace(finding("fail"), says=says + HOSTILE, subjects=(says,)))
    text = shown(name, told)
    assert not {c for c in text if not c.isprintable()} - {"\n"}
    if name == "junit":
        ET.fromstring(text.encode())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_renders_a_real_report(name: str) -> None:
    """Of a healthy group, and of one that was half seen."""
    assert shown(name, HEALTHY, HALF).endswith("\n")


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"nagios", "prometheus", "github"}))
def test_checks_that_were_left_out_are_named(name: str) -> None:
    told = judge(healthy(), catalog()[1:], (), (catalog()[0].id,)).report
    assert catalog()[0].id in shown(name, told)
    assert told.summary.endswith(", 1 left out")


@pytest.mark.parametrize("name", ["nagios", "github"])
def test_a_line_says_how_many_checks_were_left_out(name: str) -> None:
    told = judge(healthy(), catalog()[1:], (), (catalog()[0].id,)).report
    assert "1 left out" in shown(name, told)


def test_a_verdict_that_is_no_pass_says_how_many_checks_were_left_out() -> None:
    told = judge(without_look(healthy(), "vllm-worker-0"), catalog()[1:], (), ("X",)).report
    assert told.verdict == "unknown"
    assert told.summary.endswith("; 1 check left out")


def test_a_passing_summary_counts_every_check_once() -> None:
    counted = [int(word) for word in HEALTHY.summary.split() if word.isdigit()]
    assert sum(counted) == len(HEALTHY.checks)


SAYS = "silenced by the annotation distcheck.io/ignore: trust me"
HUSHED = structs.replace(finding("skipped", "CONF001"), says=SAYS)


def test_what_an_annotation_silences_is_told_where_only_verdicts_are() -> None:
    one = report(finding("pass"), HUSHED, verdict="pass")
    assert "::notice title=CONF001 silenced::silenced by the annotation" in shown("github", one)
    assert "(silenced: CONF001) |" in shown("nagios", one)
    assert f'"{SAYS}"' in shown("junit", one)


def test_a_silenced_rule_is_counted_as_such() -> None:
    error = ManifestFinding("CONF025", "error", "T", "wrong", "", "sts/a spec", silenced="mine")
    held = structs.replace(healthy(), manifests=Manifests(("sts/a",), ("CONF025",), (error,)))
    summary = judge(held, catalog()).report.summary
    assert summary.endswith(", 1 silenced")
