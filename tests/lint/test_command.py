"""`distcheck lint` as a command: exit codes, formats, and what is selected."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml  # type: ignore[import-untyped]

from distcheck.agent.cli.app import main
from distcheck.agent.cli.schema import schema_text
from distcheck.checks.manifest.rules import rules
from distcheck.exporters.typography import columns

GOOD = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - {name: c, image: 'vllm/vllm-openai:v0.11.0'}
"""
WARNS = GOOD.replace("v0.11.0", "latest")
BAD = GOOD.replace("'vllm/vllm-openai:v0.11.0'", "'vllm/vllm-openai:v0.11.0', limits: {}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.yaml"


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        (GOOD, (), 0),
        (WARNS, (), 0),
        (WARNS, ("--level", "warning"), 1),
        (WARNS, ("--level", "warning", "--skip", "CONF075"), 0),
        (BAD, (), 1),
        (BAD, ("--only", "conf075"), 0),
        (f"{GOOD}---\na: [\n", (), 2),
        (f"{BAD}---\na: [\n", (), 1),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", (), 3),
        ("", (), 3),
    ],
)
def test_the_exit_code_says_what_was_found(
    file: Path, text: str, words: tuple[str, ...], code: int
) -> None:
    file.write_text(text)
    assert main(["lint", str(file), *words]) == code


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    assert main(["lint", str(tmp_path / "none.yaml")]) == 2


def test_a_file_without_a_name_is_told_in_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", ""]) == 2
    assert capsys.readouterr().out.startswith("unreadable: '': No such file or directory\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [("{}", "not a model's configuration"), ('{"x": 1}', "architectures"), ("[]", "JSON object")],
)
def test_a_model_that_is_none_is_a_usage_error(
    file: Path, text: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (config := file.parent / "config.json").write_text(text)
    assert main(["lint", "--model", str(config), str(file)]) == 2
    assert says in capsys.readouterr().err


def test_the_name_of_a_model_is_not_looked_up(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lint", "--model", "m/x", str(file)]) == 2
    assert capsys.readouterr().err.endswith("a name is not looked up, give a path\n")


def test_junit_says_what_was_not_seen(file: Path) -> None:
    file.write_text(
        GOOD.replace("containers:", "replicas: 1\n  hostNetwork: ${NET}\n  containers:")
    )
    main(["lint", str(file), "-o", f"junit={file}.xml"])
    told = [o.text or "" for o in ET.parse(f"{file}.xml").getroot().iter("system-out")]
    assert any("\nNot seen: what fills this place before it is applied\n" in t for t in told)


def test_an_unknown_rule_is_a_usage_error(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD)
    assert main(["lint", str(file), "--skip", "CONF999"]) == 2
    assert "CONF999" in capsys.readouterr().err


def test_text_shows_the_line_and_marks_the_place(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(WARNS)
    main(["lint", str(file)])
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("warning[CONF075]: ")
    assert f"{file}:6:" in out[1]
    marks = out[3].index("^")
    assert out[2][marks:].startswith("'vllm/vllm-openai:latest'")


def test_every_format_can_be_written_at_once(file: Path, tmp_path: Path) -> None:
    file.write_text(BAD)
    names = ("json", "sarif", "junit", "github")
    outputs = [w for n in names for w in ("-o", f"{n}={tmp_path / n}")]
    assert main(["lint", str(file), *outputs]) == 1
    told = json.loads((tmp_path / "json").read_text())
    assert told["schema"] == "distcheck.lint/v1"
    run = json.loads((tmp_path / "sarif").read_text())["runs"][0]
    assert run["results"][0]["ruleId"] == told["findings"][0]["id"] == "CONF071"
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region["startLine"] == told["findings"][0]["at"]["line"]
    assert ET.parse(tmp_path / "junit").getroot().find("testsuite/testcase/failure") is not None
    assert (tmp_path / "github").read_text().startswith("::error file=")


def test_what_cannot_be_read_is_an_error_in_junit(file: Path, tmp_path: Path) -> None:
    file.write_text(f"{GOOD}---\na: [\n")
    assert main(["lint", str(file), "-o", f"junit={tmp_path / 'out'}"]) == 2
    suite = ET.parse(tmp_path / "out").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("errors"), suite.get("tests")) == ("1", "1")
    assert suite.find("testcase/error") is not None


@pytest.mark.parametrize(("text", "tag"), [(GOOD, "system-out"), ("a: 1\n", "skipped")])
def test_junit_passes_only_what_was_judged(file: Path, text: str, tag: str) -> None:
    file.write_text(text)
    main(["lint", str(file), "-o", f"junit={file}.xml"])
    (case,) = ET.parse(f"{file}.xml").getroot().iter("testcase")
    assert [child.tag for child in case] == [tag]


def many(count: int) -> str:
    return "---\n".join(WARNS.replace("{name: a}", f"{{name: a{n}}}") for n in range(count))


def test_github_shows_ten_of_a_level_and_the_rest_in_the_log(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(many(14))
    main(["lint", str(file), "-o", "github"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.startswith("::warning ") for line in lines] == [True] * 10 + [False] * 5
    assert lines[9] == "::warning title=distcheck lint::5 more, all of them in the log of this step"
    assert lines[-1].startswith(f"- {file}:{13 * 7 + 6}:")


def test_no_title_beside_a_finding_says_that_all_is_well(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule's own title is the good state: `The engine's image has a version`."""
    file.write_text(WARNS)
    main(["lint", str(file), "-o", "github", "-o", f"junit={file}.xml"])
    wrong = "CONF075 the image of c has the tag latest"
    assert f",title={wrong}::" in capsys.readouterr().out
    (case,) = ET.parse(f"{file}.xml").getroot().iter("testcase")
    assert case.get("name") == f"{wrong} (line 6)"


def test_no_name_of_a_file_is_a_command_to_github(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    for name in ("::error file=x::a.yaml", "##[error]a.yaml"):
        Path(name).write_text(
            many(14) + "---\n" + f"# distcheck: ignore CONF075 ##[error]x\n{WARNS}"
        )
        main(["lint", name, "-o", "github"])
        lines = capsys.readouterr().out.splitlines()
        assert len([x for x in lines if x.lstrip().startswith("::error")]) == 0
        assert not [x for x in lines if "##[" in x and not x.startswith("::")]
        for form in ("text", "concise"):
            main(["lint", name, "-o", form])
            lines = capsys.readouterr().out.splitlines()
            assert [x for x in lines if "a.yaml" in x]
            assert not [x for x in lines if x.lstrip().startswith("::") or "##[" in x]


def test_github_tells_in_its_summary_what_is_silenced(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(f"# distcheck: ignore CONF075 x\n{WARNS}")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", f"{file}.md")
    main(["lint", str(file), "-o", "github"])
    told = "No open findings in 1 file, 1 object, 1 serving group. Silenced: 1 warning."
    assert told in Path(f"{file}.md").read_text()


def test_github_has_every_finding_in_the_summary_of_the_job(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(many(14).replace("latest", "latest # distcheck: ignore CONF075 x|y", 1))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", f"{file}.md")
    main(["lint", str(file), "-o", "github"])
    rows = [r for r in Path(f"{file}.md").read_text().splitlines() if r.startswith("| warning")]
    assert len(rows) == 13


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "github"])
def test_what_is_silenced_is_told_with_its_reason(
    file: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    file.write_text(WARNS.replace("latest'}", "latest'}  # distcheck: ignore CONF075 our mirror"))
    assert main(["lint", str(file), "--level", "warning", "-o", form]) == 0
    assert "our mirror" in capsys.readouterr().out


def test_a_line_is_cut_around_the_place_by_columns(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "{name: " + "日本語" * 40 + ", "
    file.write_text(
        WARNS.replace("{name: c, ", name).replace("'}", "', args: [" + "x" * 300 + "]}")
    )
    main(["lint", "--only", "CONF075", str(file)])
    lines = capsys.readouterr().out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("6 | "))
    shown, marks = lines[at : at + 2]
    assert columns(shown) <= 80
    assert columns(shown[: shown.index("'vllm")]) == marks.index("^")
    assert marks.count("^") == len("'vllm/vllm-openai:latest'")
    assert shown.startswith("6 | …")
    assert shown.endswith("…")


def test_the_last_line_says_what_was_judged_and_what_not(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = WARNS.replace("latest'}", "latest'}  # distcheck: ignore CONF075")
    file.write_text(f"{quiet}---\na: [\n")
    assert main(["lint", str(file), "--only", "CONF075"]) == 2
    out = capsys.readouterr().out.splitlines()
    assert "judged: Pod a: 1 pod, no GPUs asked for, TP not told, model not known" in out
    assert out[-1] == (
        "No findings in 1 file, 1 object, 1 serving group by 1 rule."
        " Also 1 unreadable and 1 silenced."
    )


def test_quiet_says_nothing_of_what_is_right(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"{GOOD}---\nx: 1\n")
    assert main(["lint", str(file), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_the_template_that_an_object_came_from_is_named(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = "# Source: chart/templates/pod.yaml\n"
    origin = '{config.kubernetes.io/origin: "path: base/pod.yaml\\n"}'
    kustomized = WARNS.replace("{name: a}", f"{{name: k, annotations: {origin}}}")
    file.write_text(f"---\n{note}{WARNS}---\n{kustomized}---\n{WARNS.replace(': a}', ': b}')}")
    main(["lint", str(file), "-o", "json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [f["at"].get("origin") for f in found] == [
        "chart/templates/pod.yaml", "base/pod.yaml", None,
    ]  # fmt: skip
    main(["lint", str(file)])
    assert "(Pod/a, from chart/templates/pod.yaml)" in capsys.readouterr().out


STATES = {
    "clean": GOOD,
    "findings": BAD,
    "silenced": WARNS.replace("latest'}", "latest'}  # distcheck: ignore CONF075 x"),
    "unreadable": f"{WARNS}---\na: [\n",
    "fragment": "containers:\n- name: vllm\n  image: vllm/vllm-openai\n",
    "template": "kind: Pod\nspec: {x: {{ .Values.x }}}\n",
    "nothing": "",
    "fixable": GOOD.replace("image:", "env: [{name: A, value: 1}], image:"),
    "namespace": WARNS.replace("{name: a}", "{name: a, namespace: n}"),
}


@pytest.mark.parametrize("text", STATES.values(), ids=STATES)
def test_json_is_as_its_schema_says(
    file: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    file.write_text(text)
    main(["lint", str(file), str(file.parent / "none.yaml"), "-o", "json"])
    told = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(schema_text("lint"))).validate(told)
    assert told["not_judged"][0]["unreadable"] is True
    assert told["rules"] == len(rules())


def test_json_has_the_edits_that_fix_makes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(STATES["fixable"])
    main(["lint", str(file), "--only", "CONF070", "-o", "json"])
    (one,) = json.loads(capsys.readouterr().out)["findings"]
    (edit,) = one["edits"]
    assert (one["fixable"], edit["text"]) == (True, '"1"')
    line = STATES["fixable"].splitlines()[edit["line"] - 1]
    assert line[edit["column"] - 1 : edit["end_column"] - 1] == "1"


def test_edits_show_no_secret(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(STATES["fixable"].replace("A, value: 1", "DB_PASSWORD, value: 87654321"))
    main(["lint", str(file), "--only", "CONF070", "-o", "json"])
    out = capsys.readouterr().out
    (one,) = json.loads(out)["findings"]
    assert (one["fixable"], "edits" in one, "87654321" in out) == (True, False, False)


def test_a_secret_is_not_shown_again(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD.replace("image:", "env: [{name: HF_TOKEN, value: s3cr3t-9}], image:"))
    main(["lint", str(file), "--only", "CONF076"])
    out = capsys.readouterr().out
    assert "CONF076" in out
    assert "s3cr3t-9" not in out


SECRETS = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: c
    image: vllm/vllm-openai:v0.11.0
    args: [serve, m, --api-key s3cr3t-1, --tensor-paralel-size, '4', hf_s3cr3tAAAAAAAAAAAAAAAAAAAAAAAAAAAAA]
    env: [{name: HF_TOKEN, value: s3cr3t-2}, {name: HF_TOKEN, value: s3cr3t-3}, {name: A, value: 1}]
    volumeMounts: [{name: m, mountPath: /m}]
    resources: {limits: {nvidia.com/gpu: 4}}
  - name: d
    image: vllm/vllm-openai
    env:
    - {name: DB_PASSWORD, value: 87654321, valu: 1}
    - name: OTHER_TOKEN
      value: |
        s3cr3t-4
        s3cr3t-5
  volumes: [{name: m, emptyDir: {}}]
"""  # noqa: E501


COPIES = """\
apiVersion: v1
kind: Pod
metadata: {name: a, annotations: &s3cr3t {note: t0pS3cr3t1, note: t0pS3cr3t1}}
spec:
  containers:
  - name: c
    image: lmsysorg/sglang
    args: [--api-key=0therS3cr3t, --model, /m, --api-key, &key t0pS3cr3t1, "--api-key", t0pS3cr3t2]
    env: [{name: A, value: *key}, {name: HF_TOKEN, value: *key}, {name: A, value: *key}]
"""


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "github"])
def test_no_output_shows_a_secret_by_another_way(
    file: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    file.write_text(COPIES)
    main(["lint", str(file), "-o", form])
    out = "".join(capsys.readouterr())
    assert "CONF077" in out
    assert [s for s in ("t0pS3", "0therS3") if s in out] == []


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "github"])
@pytest.mark.parametrize("more", [(), ("--diff",), ("--skip", "CONF076")])
def test_no_output_shows_a_secret_that_another_finding_stands_beside(
    file: Path, capsys: pytest.CaptureFixture[str], form: str, more: tuple[str, ...]
) -> None:
    file.write_text(SECRETS)
    main(["lint", str(file), "-o", form, *more])
    out = "".join(capsys.readouterr())
    assert "CONF073" in out
    assert "CONF070" in out
    assert [s for s in ("s3cr3t", "87654321") if s in out] == []
    assert ("@@" in out) == ("--diff" in more)


def test_the_mark_stays_under_its_place_behind_a_hidden_value(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(SECRETS)
    main(["lint", str(file), "--only", "CONF073", "-o", "json"])
    at = json.loads(capsys.readouterr().out)["findings"][0]["at"]
    assert at["source"][at["column"] - 1 : at["end_column"] - 1] == "HF_TOKEN"
    assert at["column"] > at["source"].index("***")
    line = SECRETS.splitlines()[at["line"] - 1]
    assert line[at["column"] - 1 : at["end_column"] - 1] == "HF_TOKEN"


def test_names_of_kubernetes_keys_are_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = "{name: HF_TOKEN, valueFrom: {secretKeyRef: {name: hf, key: token}}}"
    file.write_text(GOOD.replace("image:", f"env: [{given}, {given}], image:"))
    main(["lint", str(file), "--only", "CONF073", "-o", "json"])
    assert "key: token}" in capsys.readouterr().out


def test_the_pre_commit_hook_runs_what_it_says(file: Path) -> None:
    """Fields as pre-commit documents them; `pre-commit try-repo` was run by hand with it."""
    (hook,) = yaml.safe_load(Path(".pre-commit-hooks.yaml").read_text())
    assert hook.keys() <= {
        "id", "name", "description", "entry", "language", "types_or", "require_serial",
    }  # fmt: skip
    assert {"id", "name", "entry", "language"} <= hook.keys()
    program, *words = hook["entry"].split()
    file.write_text("name: ci\non: push\n")
    assert (program, main([*words, str(file)])) == ("distcheck", 0)
    config = file.with_name("tsconfig.json")
    config.write_text('{"compilerOptions": {"strict": true,}, // why\n}\n')
    assert main([*words, str(file), str(config)]) == 0
    file.write_text(BAD)
    assert main([*words, str(file)]) == 1


def test_a_finding_that_fix_mends_says_so(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(STATES["fixable"])
    main(["lint", str(file), "--only", "CONF070"])
    out = capsys.readouterr().out
    assert " ".join(out.split()).count("(--fix does it)") == 1
    assert "\n--fix can mend 1 of them; --diff shows how.\n" in out
    main(["lint", "--diff", str(file), "--only", "CONF070"])
    assert "\n--fix can mend 1 of them, as the diff shows.\n" in capsys.readouterr().err


def test_a_hint_that_repeats_is_told_once_with_all_its_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {{name: {0}}}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.11.0
          resources: {{limits: {{nvidia.com/gpu: 8}}}}
"""
    for number in range(9):
        (tmp_path / f"{number}.yaml").write_text(group.format(f"g{number}"))
    main(["lint", str(tmp_path), "--only", "CONF121"])
    told = capsys.readouterr().out
    assert told.count("hint[CONF121]") == 1
    assert told.count("also at ") == 6
    assert "and at 2 more" in told
    assert "9 hints in 9 files" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-o", "json="), "names no file"),
        (("-o", "text", "-o", "sarif"), "such as -o sarif=FILE"),
        (("-o", "xml"), "xml"),
        (("--level", "info"), "info"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(
    file: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    file.write_text(GOOD)
    assert main(["lint", str(file), *words]) == 2
    assert says in capsys.readouterr().err


def test_a_finding_carries_a_part_of_a_line_that_is_very_long(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill = "x" * 50_000
    item = "{name: A, value: 1}"
    text = STATES["fixable"].replace(item, f"{{name: B, value: {fill}}}, {item}")
    file.write_text(text.replace("image:", f"args: [{fill}], image:"))
    main(["lint", str(file), "--only", "CONF070", "-o", "json"])
    (one,) = json.loads(capsys.readouterr().out)["findings"]
    at = one["at"]
    assert len(at["source"]) == 1000
    assert at["source"][at["column"] - 1 - at["cut"]] == "1"
    assert one["edits"][0]["column"] == at["column"]
    main(["lint", str(file), "--only", "CONF070"])
    shown, marks = capsys.readouterr().out.splitlines()[2:4]
    assert shown[marks.index("^")] == "1"
    assert columns(shown) <= 80


def test_concise_is_a_line_for_each_finding_and_for_what_cannot_be_read(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(f"{BAD}---\na: [\n")
    assert main(["lint", str(file), "-o", "concise"]) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith(f"{file}:6:")
    assert "error[CONF071] " in told[0]
    assert told[-1].startswith(f"{file}:9:")
    assert "not readable" in told[-1]


@pytest.mark.parametrize("words", [("-q",), ("-o", "concise"), ("-o", "github")])
def test_a_comment_that_cannot_silence_is_told_beside_what_has_no_notes(
    file: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    file.write_text(WARNS.replace("latest'}", "latest'}  # distcheck: ignore CONF75 mine"))
    main(["lint", str(file), *words])
    out, err = capsys.readouterr()
    assert "CONF075" in out
    assert "is no rule" not in out
    assert err == (
        f"distcheck: {file}:6:1: CONF75 is no rule: `distcheck list --rules` names them all\n"
    )


def test_errors_among_many_findings_are_named_again_at_the_end(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Findings are told by place: the one error may stand far above the last lines."""
    file.write_text(BAD.replace("v0.11.0", "latest") + "---\n" + many(5))
    main(["lint", str(file)])
    out = capsys.readouterr().out
    end = out[out.rindex("judged: ") :].splitlines()
    assert [x for x in end if x.startswith(f"error[CONF071] {file}:6:")]
    assert end.index("") < next(n for n, x in enumerate(end) if x.startswith("1 error, "))
    file.write_text(BAD)
    main(["lint", str(file)])
    assert capsys.readouterr().out.count("error[CONF071]") == 1


def test_a_report_leads_to_the_page_of_its_gravest_rule(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(BAD.replace("v0.11.0", "latest"))
    main(["lint", str(file)])
    assert "`distcheck explain CONF071`" in capsys.readouterr().out


def test_quiet_still_says_that_there_is_nothing_to_judge(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    assert main(["lint", "-q", str(file)]) == 3
    assert "Nothing here that serves a model" in capsys.readouterr().out


def test_the_groups_that_were_understood_are_named_beside_findings_too(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(WARNS)
    main(["lint", str(file)])
    told = capsys.readouterr().out
    assert "warning[CONF075]" in told
    assert "judged: Pod a" in told


def test_the_last_lines_fit_a_narrow_terminal(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("---\n".join([BAD, WARNS, GOOD.replace("name: a", "name: b")]))
    monkeypatch.setenv("COLUMNS", "50")
    main(["lint", str(file), "--only", "CONF071"])
    told = capsys.readouterr().out.splitlines()
    at = next(n for n, line in enumerate(told) if " in 1 file" in line)
    assert all(columns(line) <= 50 for line in told[at : at + 2])
    assert " ".join(told[at : at + 2]).endswith("by 1 rule.")
