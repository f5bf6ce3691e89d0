"""A bug of ours in one rule, or at one file, costs what it is about, and is told as ours."""

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree as ET

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from distcheck.agent.cli import exit as codes
from distcheck.agent.cli import lint_asked
from distcheck.agent.cli.app import main
from distcheck.agent.cli.bugs import tell_bugs
from distcheck.agent.cli.lint import FORMATS, code_of
from distcheck.agent.cli.schema import schema_text
from distcheck.agent.cluster.finding.written import Written
from distcheck.agent.manifests import bundles, live, secrets_in, shape, source, templates
from distcheck.agent.manifests.lint import Asked, lint_texts
from distcheck.checks.evidence.manifests import Manifests
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.report import At, LintReport
from distcheck.checks.manifest.rule import Rule
from distcheck.checks.manifest.rules import rules
from distcheck.checks.on_paper import OnPaper, on_paper

LATEST = """\
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  containers:
  - name: c
    image: vllm/vllm-openai:latest
    resources: {limits: {nvidia.com/gpu: 1}}
    env: [{name: HF_TOKEN, value: %s}]
"""
RANKS = """\
apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  containers:
  - name: c
    image: vllm/vllm-openai:v0.11.0
    args: [Qwen/Qwen3-32B, --tensor-parallel-size=8]
    resources: {limits: {nvidia.com/gpu: 8}}
"""
TOKEN = "hf_abcdefghijklmnopqrstuvwxyz012345"
ONE = LATEST % ("one", TOKEN)
FOLDER = Path(__file__).parent / "manifests/broken"
TEXTS = {
    n: (FOLDER / n).read_text("utf-8") for n in ("lws-many-faults.yaml", "tutorial-names.yaml")
}
ALL = tuple(TEXTS.items())


def deep(one: object) -> NoReturn:
    deep([one])


def wrong(error: BaseException) -> Callable[..., NoReturn]:
    def body(*_given: object) -> NoReturn:
        raise error

    return body


def raising(rule: Rule, after: int, how: Callable[[object], object]) -> Rule:
    """`rule`, whose body raises behind `after` findings of what it is given."""

    @functools.wraps(rule.body)
    def body(one: Any) -> Iterator[Finding]:
        for number, found in enumerate(rule.body(one)):
            if number >= after:
                break
            yield found
        how(one)

    return replace(rule, body=body)


def broken(*ids: str, how: Callable[[object], object], after: int = 0) -> tuple[Rule, ...]:
    return tuple(raising(r, after, how) if r.id in ids else r for r in rules())


def but(report: LintReport, *ids: str) -> list[tuple[str, At, str]]:
    return [(f.id, f.at, f.says) for f in report.findings if f.id not in ids]


WHOLE = lint_texts(ALL, Asked(rules()))
ERRORS = st.sampled_from([deep, *map(wrong, [
    KeyError("x"), RecursionError(), AssertionError(), ValueError("a\n\x1bb" * 999),
    UnicodeEncodeError("ascii", "\ud800", 0, 1, "no"), ExceptionGroup("g", [OSError()]),
])])  # fmt: skip


@settings(max_examples=12)
@given(
    st.sets(st.sampled_from([r.id for r in rules()]), min_size=1, max_size=3),
    ERRORS,
    st.integers(0, 2),
)
def test_whatever_a_rule_raises_the_others_find_what_they_find(
    ids: set[str], how: Callable[[object], object], after: int
) -> None:
    found = lint_texts(ALL, Asked(broken(*ids, how=how, after=after)))
    assert but(found, *ids) == but(WHOLE, *ids)
    assert {f[:2] for f in but(found)} <= {f[:2] for f in but(WHOLE)}
    assert {b.rule for b in found.bugs} == ids
    assert {n for n in found.not_judged if not n.bug} <= set(WHOLE.not_judged)
    assert all(1 <= b.line <= TEXTS[b.file].count("\n") for b in found.bugs)
    assert sum(bool(b.trace) for b in found.bugs) == len(ids)
    assert code_of(found, "error") in (codes.FAIL, codes.BUG)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), SystemExit()])
def test_what_is_no_bug_ends_the_run(error: BaseException) -> None:
    with pytest.raises(type(error)):
        lint_texts(ALL, Asked(broken("CONF060", how=wrong(error))))


def test_a_rule_that_raises_at_one_template_judges_the_next() -> None:
    def how(one: Any) -> None:
        if "'name': 'one'" in str(one):
            raise KeyError("x")

    chosen = broken("CONF060", how=how, after=9)
    texts = [(f"{n}.yaml", RANKS % n) for n in ("one", "two")]
    report = lint_texts(texts, Asked(chosen))
    assert [(b.file, b.line, b.rule) for b in report.bugs] == [("one.yaml", 1, "CONF060")]
    assert [f.at.file for f in report.findings if f.id == "CONF060"] == ["one.yaml", "two.yaml"]


def test_an_object_that_cannot_be_understood_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = templates.template_of

    def template_of(made: Any, maps: Any) -> Any:
        return real(made, maps) if made.names != ("two",) else deep(made)

    monkeypatch.setattr("distcheck.agent.manifests.bundles.template_of", template_of)
    text = "---\n".join(LATEST % (n, "x") for n in ("one", "two", "three"))
    report = lint_texts([("a.yaml", text)], Asked(rules()))
    assert [(b.file, b.line, b.rule) for b in report.bugs] == [("a.yaml", 11, "")]
    assert [f.at.line for f in report.findings if f.id == "CONF075"] == [7, 27]


def test_an_object_that_cannot_be_read_for_a_bug_leaves_those_of_its_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = shape.shaped

    def shaped(number: int, kind: str, value: Any) -> Any:
        if value["metadata"]["name"] == "two":
            raise ValueError(TOKEN)
        return real(number, kind, value)

    monkeypatch.setattr("distcheck.agent.manifests.bundles.shaped", shaped)
    text = "---\n".join(LATEST % (n, TOKEN) for n in ("one", "two", "three"))
    report = lint_texts([("a.yaml", text)], Asked(rules()))
    assert [(b.file, b.line, b.says[:40]) for b in report.bugs] == [
        ("a.yaml", 11, "this object, by a bug of distcheck: Valu")
    ]
    assert [f.at.line for f in report.findings if f.id == "CONF075"] == [7, 27]
    assert TOKEN not in str(report)


STAGES = ("kind_of", "shaped", "is_patch", "template_of", "makes")
"""What reading an object calls, one after the other."""


@given(st.lists(st.sampled_from([None, *STAGES]), min_size=1, max_size=5), ERRORS)
def test_whatever_reading_raises_at_some_objects_the_others_are_judged(
    stages: list[str | None], how: Callable[[object], object]
) -> None:
    texts = [LATEST % (f"pod-{n}", TOKEN) for n in range(len(stages))]
    with pytest.MonkeyPatch.context() as patch:
        for stage in STAGES:
            real = getattr(bundles, stage)
            names = {f"pod-{n}" for n, at in enumerate(stages) if at == stage}

            def raises(*given: Any, real: Any = real, names: Any = names) -> Any:
                return how(given) if any(f"'{n}'" in str(given) for n in names) else real(*given)

            patch.setattr(bundles, stage, raises)
        report = lint_texts([("a.yaml", "---\n".join(texts))], Asked(rules()))
    assert {b.line for b in report.bugs} == {1 + 10 * n for n, at in enumerate(stages) if at}
    judged = [f.at.line for f in report.findings if f.id == "CONF075"]
    assert judged == [7 + 10 * n for n, at in enumerate(stages) if not at]
    assert TOKEN not in str(report)


READS = (
    "reading.documents", "reading.known", "reading.bundle_of", "lint.scopes",
    "secrets_in.hides_of", "lint.of_input",
)  # fmt: skip


@pytest.mark.parametrize("stage", READS)
def test_a_bug_of_what_reads_is_told_without_what_it_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, stage: str
) -> None:
    monkeypatch.setattr(f"distcheck.agent.manifests.{stage}", wrong(ValueError("hunter2-horse")))
    path = tmp_path / "a.yaml"
    path.write_text(LATEST % ("one", "x"))
    assert main(["lint", "-o", "json", str(path)]) in (codes.BUG, codes.FAIL)
    told = "".join(capsys.readouterr())
    assert ("ValueError" in told, "hunter2" in told) == (True, False)
    assert "not of your manifests" in told


def test_a_bug_of_a_rule_is_told_without_the_value_that_it_met() -> None:
    for error, shown in ((KeyError("hunter2-horse"), False), (TypeError("no len()"), True)):
        report = lint_texts([("a.yaml", ONE)], Asked(broken("CONF060", how=wrong(error))))
        (bug,) = report.bugs
        assert "hunter2" not in str(report)
        assert (shown, shown) == ("no len()" in bug.says, "no len()" in bug.trace)


def test_where_what_belongs_together_cannot_be_told_no_file_is_called_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("distcheck.agent.manifests.lint.scopes", wrong(KeyError(TOKEN)))
    report = lint_texts([(f"{n}.yaml", ONE) for n in ("one", "two")], Asked(rules()))
    assert [(b.file, b.line) for b in report.bugs] == [("one.yaml", 0), ("two.yaml", 0)]
    assert (code_of(report, "error"), TOKEN in str(report)) == (codes.BUG, False)


def test_a_traceback_cannot_drive_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tell_bugs(["Traceback\n  \x1b[31mred\x07\n"], of_manifests=True)
    err = capsys.readouterr().err
    assert err.startswith("Traceback\n  \\x1b[31mred\\x07\n")
    assert [c for c in err if not c.isprintable() and c != "\n"] == []


def test_a_format_that_cannot_be_written_for_a_bug_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("distcheck.exporters.lint_junit.render_junit", wrong(KeyError(TOKEN)))
    path = tmp_path / "a.yaml"
    path.write_text(ONE)
    asked = [w for n in ("junit", "json", "sarif") for w in ("-o", f"{n}={tmp_path / n}")]
    assert main(["lint", str(path), *asked]) == codes.BUG
    assert {p.name for p in tmp_path.iterdir()} == {"a.yaml", "json", "sarif"}
    err = capsys.readouterr().err
    assert ("not of your manifests" in err, TOKEN in err) == (True, False)


def test_a_file_that_cannot_be_read_for_a_bug_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = source.documents

    def documents(name: str, text: str) -> Any:
        return real(name, text) if name != "two.yaml" else deep(name)

    monkeypatch.setattr("distcheck.agent.manifests.reading.documents", documents)
    report = lint_texts([(f"{n}.yaml", ONE) for n in ("one", "two")], Asked(rules()))
    assert [(b.file, b.line, b.rule) for b in report.bugs] == [("two.yaml", 0, "")]
    assert "RecursionError" in report.bugs[0].says
    assert [f.at.file for f in report.findings if f.id == "CONF075"] == ["one.yaml"]


def test_where_secrets_cannot_be_told_nothing_of_the_file_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secrets_in, "secret_values", wrong(KeyError(TOKEN)))
    report = lint_texts([("a.yaml", ONE.replace("HF_TOKEN", "PLAIN"))], Asked(rules()))
    assert "CONF075" in [f.id for f in report.findings]
    assert [b.rule for b in report.bugs] == [""]
    assert TOKEN not in str(report)
    assert not [f.at.source for f in report.findings if f.at.source.strip("*")]


def test_a_comment_about_a_rule_that_raised_is_not_called_idle() -> None:
    text = ONE.replace("latest", "v0.11.0  # distcheck: ignore CONF060 why")
    told = lint_texts([("a.yaml", text)], Asked(rules())).not_judged
    assert ["silences nothing" in n.says for n in told] == [True]
    after = lint_texts([("a.yaml", text)], Asked(broken("CONF060", how=wrong(KeyError()))))
    assert [n.bug for n in after.not_judged] == [True]


@pytest.fixture
def outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, dict[str, str], str]]:
    """Run `lint` with CONF060 broken: the exit code, what each format says, and stderr."""
    monkeypatch.setattr(lint_asked, "rules", lambda: broken("CONF060", how=wrong(KeyError("x"))))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))

    def run(text: str, *words: str) -> tuple[int, dict[str, str], str]:
        file = tmp_path / "a.yaml"
        file.write_text(text)
        asked = [w for n in FORMATS for w in ("-o", f"{n}={tmp_path / n}")]
        code = main(["lint", str(file), *asked, *words])
        told = {n: (tmp_path / n).read_text() for n in (*FORMATS, "summary")}
        return code, told, capsys.readouterr().err

    return run


def test_every_format_names_the_rule_that_raised_and_its_place(
    outputs: Callable[..., tuple[int, dict[str, str], str]],
) -> None:
    code, told, err = outputs(ONE)
    assert code == codes.BUG
    for name, text in told.items():
        assert "CONF060" in text, name
        assert "KeyError" in text, name
        assert "CONF075" in text, name
    assert "issues" in err
    assert err.count("Traceback") == 1
    assert "not judged: " in told["text"]
    assert " Also 1 not judged" in told["text"]
    assert "a.yaml:1:1: not judged: CONF060" in told["concise"]
    assert ",title=not judged::CONF060" in told["github"]
    (error,) = ET.fromstring(told["junit"]).iter("error")
    assert (error.get("type"), "Traceback" in str(error.text)) == ("bug", True)
    (run,) = json.loads(told["sarif"])["runs"][0]["invocations"]
    assert (run["executionSuccessful"], run["exitCode"]) == (False, codes.BUG)
    (note,) = (n for n in run["toolExecutionNotifications"] if n["level"] == "error")
    assert note["associatedRule"] == {"id": "CONF060"}
    assert "KeyError" in note["exception"]["message"]
    report = json.loads(told["json"])
    jsonschema.validate(report, json.loads(schema_text("lint")))
    assert [n["rule"] for n in report["not_judged"] if n.get("bug")] == ["CONF060"]


def test_what_is_proven_wrong_outweighs_a_bug_and_a_bug_all_else(
    outputs: Callable[..., tuple[int, dict[str, str], str]],
) -> None:
    assert outputs(ONE, "--level", "warning")[0] == codes.FAIL
    assert outputs(f"{ONE}---\na: [\n")[0] == codes.BUG
    assert outputs(ONE, "--only", "CONF060", "--nothing-is-fine")[0] == codes.BUG
    assert outputs(ONE, "--only", "CONF075")[0] == codes.PASS


def test_a_clean_file_is_not_called_clean_where_a_rule_raised(
    outputs: Callable[..., tuple[int, dict[str, str], str]],
) -> None:
    _, told, _ = outputs(ONE, "--only", "CONF060", "--quiet")
    assert told["text"].startswith("not judged: ")
    assert "No findings" not in told["summary"]


def test_no_file_is_mended_into_one_that_cannot_be_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def how(one: Any) -> None:
        if "dshm" in str(one):
            raise KeyError("x")

    monkeypatch.setattr(lint_asked, "rules", lambda: broken("CONF061", how=how, after=9))
    file = tmp_path / "a.yaml"
    file.write_text(RANKS % "one")
    main(["lint", "--fix", str(file)])
    assert file.read_text() == RANKS % "one"
    assert "is not mended: CONF061 (a bug of distcheck)" in capsys.readouterr().err


def test_on_a_live_group_a_rule_that_raises_is_unknown_and_never_passes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    objects = Written((yaml.safe_load(LATEST % ("one", TOKEN)),))
    before = live.judged_live(objects)
    monkeypatch.setattr(live, "rules", lambda: broken("CONF060", how=wrong(KeyError(TOKEN))))
    found = live.judged_live(objects)
    assert isinstance(before, Manifests)
    assert isinstance(found, Manifests)
    assert found.findings == tuple(f for f in before.findings if f.id != "CONF060")
    (told,) = on_paper(found, OnPaper({"CONF060": "T"}, others=False))
    assert told.verdict.outcome == "unknown"
    assert told.verdict.says.startswith("internal error in CONF060: KeyError")
    assert any("internal error in CONF060" in n for n in found.notes)
    assert TOKEN not in str(found)


def test_on_a_live_group_a_ground_that_raises_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "aside", wrong(KeyError("x")))
    found = live.judged_live(Written((yaml.safe_load(LATEST % ("one", "x")),)))
    assert isinstance(found, Manifests)
    assert set(found.unread) == set(found.rules)
