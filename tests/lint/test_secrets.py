"""No output of lint shows a secret, whether a rule finds it or not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent.cli.app import main
from distcheck.agent.cli.lint import FORMATS
from distcheck.agent.cli.lint_show import show
from distcheck.agent.cluster.finding.written import Written
from distcheck.agent.manifests.hiding import shown
from distcheck.agent.manifests.lint import Asked, lint_texts
from distcheck.agent.manifests.live import judged_live
from distcheck.checks.manifest.report import LintReport
from distcheck.checks.manifest.rules import rules
from distcheck.exporters.formats import Page

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    resources: {limits: {nvidia.com/gpu: 1}}
    env:
"""
NUMBER = "    - {name: Q, value: 7}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
HELD = {
    "of a Secret, of a wrong type": f"{POD}{NUMBER}---\n{SECRET}stringData: {{pin: 48151623}}\n",
    "of a Secret below": f"{POD}{NUMBER}---\nstringData: {{pin: 48151623}}\n{SECRET}",
    "of a list in a Secret": f"{POD}{NUMBER}---\nstringData:\n- [48151623]\n{SECRET}",
    "that is replaced": f"{POD}{NUMBER}---\ndata: {{pin: 48151623, pin: x}}\n{SECRET}",
    "that was, in a comment": f"{POD}{NUMBER}---\n# pin: 48151623\ndata: {{a: b}}\n{SECRET}",
    "that cannot be read": f"{POD}{NUMBER}---\ndata: {{pin: 48151623}}\n{SECRET}x: [\n",
    "of Secrets in a list": f"{POD}{NUMBER}---\n"
    "kind: SecretList\nitems:\n- data: {pin: 48151623}\n",
    "with spaces": f'{POD}{NUMBER}    - {{name: MY_PASSWORD, value: "insert 48151623 here"}}\n',
    "in lines": f"{POD}    - name: GITHUB_PAT\n      value: |\n"
    f"        a\n        48151623\n{NUMBER}",
    "of an entry": f"{POD}{NUMBER}---\ndata: {{X_PASSWORD: see 48151623}}\nkind: ConfigMap\n",
    "of a wrong type": f"{POD}    - {{name: HF_TOKEN, value: 48151623}}\n",
    "that is applied": f"{POD}{NUMBER}---\nmetadata: {{annotations: {{"
    "kubectl.kubernetes.io/last-applied-configuration: '{\"pin\": 48151623}'}}\nkind: Pod\n",
}  # fmt: skip


@pytest.mark.parametrize("where", HELD)
@pytest.mark.parametrize("words", [("--diff",), ("-o", "json"), ("-o", "sarif")], ids=str)
def test_a_secret_is_in_no_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "a.yaml").write_text(HELD[where])
    main(["lint", *words, str(tmp_path / "a.yaml")])
    told = "".join(capsys.readouterr())
    assert "CONF070" in told
    assert "48151623" not in told


def test_a_number_in_a_secret_is_quoted_though_it_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(HELD["of a Secret, of a wrong type"])
    main(["lint", "--fix", str(path)])
    assert 'stringData: {pin: "48151623"}' in path.read_text()


def test_a_secret_that_begins_as_an_alias_does_is_not_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in (f"{SECRET}stringData: {{pin: *s48151623}}\n", "env: {HF_TOKEN: *s48151623}\n"):
        (tmp_path / "a.yaml").write_text(text)
        main(["lint", str(tmp_path / "a.yaml")])
        told = "".join(capsys.readouterr())
        assert ("there is no anchor" in told, "48151623" in told) == (True, False)


def test_names_and_switches_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.yaml"
    pod = POD.replace("spec:\n", "spec:\n  automountServiceAccountToken: false\n", 1)
    path.write_text(
        pod.replace("    env:\n", "    env:\n    - {name: MAX_TOKENS_SEEN, value: 7}\n")
    )
    main(["lint", "--diff", str(path)])
    told = capsys.readouterr().out
    assert ("-    - {name: MAX_TOKENS_SEEN, value: 7}" in told, "****" in told) == (True, False)


@pytest.mark.parametrize(
    ("line", "shows"),
    [
        ("authSecret: ngc-api-secret", True),
        ("pullSecret: ngc-secret", True),
        ('ngcAPISecret: "ngc-api"', True),
        ("authSecret: hunter2", False),
        ("authSecret: 9f8e-7d6c-5b4a", False),
        ("apiSecret: ngc-api-secret", False),
    ],
)
def test_names_of_secrets_are_shown_where_a_field_refers_to_one(line: str, shows: bool) -> None:
    assert (shown(line, ()) == line) is shows


LOGIN = "S3cr3tPassw0rd"
WAYS = (
    f"https://bob:{LOGIN}@h.example/x", f"s3://AKIAX:{LOGIN}@b/m", f"%s://bob:{LOGIN}@h",
    f"%s --db-password {LOGIN}", f'{{"api_key": "{LOGIN}", x}}', f"%s?token={LOGIN}",
    f"%s Authorization: Bearer {LOGIN}", f'{{\\"password\\":\\"{LOGIN}\\"}}',
)  # fmt: skip


def told_in(report: LintReport) -> str:
    every = rules()
    return "".join(
        show(report, name, Page(), failing="hint", chosen=every, code=None, quiet=False,
             diffed=False)
        for name in FORMATS
    )  # fmt: skip


def scalars(held: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(held) if isinstance(held, dict) else range(len(held)):
        if isinstance(held[key], dict | list):
            yield from scalars(held[key])
        elif isinstance(held[key], str | int):
            yield held, key


@settings(max_examples=25)
@given(st.data())
def test_a_secret_in_any_field_of_any_example_is_in_no_format(data: st.DataObject) -> None:
    documents = list(yaml.safe_load_all(data.draw(st.sampled_from(rules())).page.fails))
    held, key = data.draw(st.sampled_from(list(scalars(documents))))
    held[key] = data.draw(st.sampled_from(WAYS)).replace("%s", str(held[key]))
    report = lint_texts([("a.yaml", yaml.safe_dump_all(documents))], Asked(rules()))
    assert not report.bugs
    assert LOGIN.lower() not in told_in(report).lower()


SERVED = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: d}
spec:
  predictor:
    model: {modelFormat: {name: huggingface}, storageUri: "%s"}
    workerSpec: {pipelineParallelSize: 2}
"""
ESCAPED = f'vllm serve Qwen/Qwen3-0.6B --kv-transfer-config {{\\"password\\":\\"{LOGIN}\\"}}'
ARGUMENTS = POD.replace("    env:\n", "    args: [--model, Qwen/Qwen3-0.6B, %s]\n")
SAID = {
    "of a storageUri": (SERVED % WAYS[0], "CONF108"),
    "of a bucket": (SERVED % WAYS[1], "CONF108"),
    "of a proxy": (ARGUMENTS % f"--gpu-memory-utilization, --proxy={WAYS[0]}", "CONF117"),
    "of JSON": (
        ARGUMENTS % f"--model-loader-extra-config, '{{secret_access_key: {LOGIN}}}'", "CONF117",
    ),
    "of a number": (ARGUMENTS % f'--max-model-len, "{WAYS[0]}"', "CONF117"),
    "of escaped JSON": (POD.replace("env:", f'command: [sh, -c, "{ESCAPED}"]'), "CONF117"),
}  # fmt: skip


@pytest.mark.parametrize("where", SAID)
def test_a_message_does_not_say_what_is_starred_below(where: str) -> None:
    text, rule = SAID[where]
    report = lint_texts([("a.yaml", text)], Asked(rules()))
    told = told_in(report)
    assert (rule in [f.id for f in report.findings], LOGIN in told) == (True, False), told


def test_a_part_of_an_address_is_no_more_told_than_the_whole() -> None:
    """CONF037 says what to write without the scheme, by which alone a login is known."""
    text = next(r for r in rules() if r.id == "CONF037").page.fails
    assert text.count("tcp://") == 1
    at = text.replace("tcp://", f"tcp://bob:{LOGIN}@")
    report = lint_texts([("a.yaml", at)], Asked(rules()))
    assert "CONF037" in [f.id for f in report.findings]
    assert LOGIN not in told_in(report)


@pytest.mark.parametrize("where", SAID)
def test_a_live_group_is_told_of_without_secrets(where: str) -> None:
    found = judged_live(Written((yaml.safe_load(SAID[where][0]),)))
    assert "findings" in str(found)
    assert LOGIN not in str(found)


def test_what_a_finding_is_about_is_not_hidden_from_it() -> None:
    pod = f"{POD}    - {{name: HF_TOKEN, value: abcdefgh1234}}\n"
    text = f"{pod}    args: [--model, m, --api-key, ijklmnop5678]\n"
    says = [f.says for f in lint_texts([("a.yaml", text)], Asked(rules())).findings]
    assert "in plain text: the value of HF_TOKEN" in says
    assert "in plain text: the value of --api-key" in says


SERVES = "vllm serve deepseek-ai/DeepSeek-R1 --max-model-lenn 4 --gpu-memory-utilization 1.9"
BEFORE = {
    "a header of a variable": 'curl -H "Authorization: Bearer $HF_TOKEN" https://hf.co/x &&',
    "in single quotes": "curl -fH 'Authorization: Bearer $HF_TOKEN' https://hf.co/x;",
    "in braces": 'curl -fH "Authorization: Bearer ${HF_TOKEN}" https://hf.co/x &&',
    "of a command": 'curl -H "Authorization: Bearer $(cat /run/token)" https://hf.co/x &&',
    "without quotes": "curl -H Authorization:$A http://x;",
    "with another's address": (
        'curl -sH "Authorization: Bearer $HF_TOKEN" https://hf.co/x && '
        "pip install git+https://github.com/vllm-project/vllm@v0.11.0 &&"
    ),
    "a header of a secret": f'curl -H "Authorization: Bearer {LOGIN}" https://hf.co/x &&',
    "a secret without quotes": f"curl -H Authorization:{LOGIN} https://hf.co/x;",
    "a cookie": f"cookie={LOGIN}; ",
    "a piped cookie": f"echo cookie={LOGIN} | tee /tmp/x;",
    "a passphrase": f"PASSPHRASE={LOGIN}",
    "a bracket": "for key in a; do echo key=[$key; done;",
}  # fmt: skip


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("style", ["|", ">-"])
def test_what_follows_a_secret_in_a_script_is_told(before: str, style: str) -> None:
    script = f"command: [bash, -c]\n    args:\n    - {style}\n"
    text = POD.replace("env:\n", f"{script}      {BEFORE[before]}\n      {SERVES}\n    env:\n")
    one = text.replace(f"{BEFORE[before]}\n     ", BEFORE[before])
    for each in (text, one):
        report = lint_texts([("a.yaml", each)], Asked(rules()))
        says = {f.id: f.says for f in report.findings}
        assert says["CONF115"] == "vllm has no flag --max-model-lenn: did you mean --max-model-len?"
        assert says["CONF117"].startswith("--gpu-memory-utilization 1.9: ")
        lines = [f.at.source for f in report.findings if f.id in ("CONF115", "CONF117")]
        assert all(line.endswith(SERVES) for line in lines), lines
        assert "deepseek-ai/DeepSeek-R1" in str(report.groups)
        assert LOGIN not in told_in(report)


def test_names_of_secrets_in_our_sentences_hide_no_word() -> None:
    env = (
        '    - {name: VLLM_API_KEY, value: "$(LATER_KEY)"}\n'
        "    - {name: LATER_KEY, valueFrom: {secretKeyRef: {name: a, key: b}}}\n"
    )
    found = lint_texts([("a.yaml", f"{POD}{env}    args: [--model, m]\n")], Asked(rules())).findings
    (one,) = [f for f in found if f.id == "CONF085"]
    assert one.says.endswith("LATER_KEY, which is set below it: it stays $(LATER_KEY)")
    assert one.fix == "Set LATER_KEY above VLLM_API_KEY."


@pytest.mark.parametrize("name", ["llama-token", "monkey", "my-secret", "a-pwd", "api-key"])
def test_an_object_named_like_a_secret_hides_no_word(name: str) -> None:
    page = next(r for r in rules() if r.id == "CONF001").page.fails
    documents = list(yaml.safe_load_all(page))
    documents[0]["metadata"]["name"] = name
    report = lint_texts([("a.yaml", yaml.safe_dump_all(documents))], Asked(rules()))
    assert f"{name}" in str(report.groups)
    assert "(hidden)" not in told_in(report)
