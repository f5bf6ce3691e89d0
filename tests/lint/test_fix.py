"""`--fix` changes what it must, keeps all else, and leaves what it cannot be sure of."""

import json
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from distcheck.agent.cli.app import main

BLOCK = """\
# the head
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: vllm}   # keep me
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        # the ranks
        containers:
        - name: vllm
          image: 'vllm/vllm-openai:v0.11.0'
          resources: {limits: {nvidia.com/gpu: 8}}
"""
LISTS = BLOCK.replace(
    "        # the ranks\n",
    "        volumes:  # all of them\n        # the models\n        - name: models\n"
    "          emptyDir: {}\n",
).replace(
    "          resources:",
    "          volumeMounts:\n            - name: models\n              mountPath: /models\n"
    "          resources:",
)
FLOW = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: vllm}
spec: {leaderWorkerTemplate: {size: 2, workerTemplate: {spec: {containers: [
  {name: vllm, image: "vllm/vllm-openai:v0.11.0", volumeMounts: [{name: m, mountPath: /m}],
   resources: {limits: {nvidia.com/gpu: 8}}}], volumes: [{name: m, emptyDir: {}}]}}}}
"""
TYPES = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: vllm, labels: {gpu: true, v: 1.10}}
spec:
  replicas: "1"  # one
  selector: {matchLabels: {app: vllm}}
  template:
    metadata: {labels: {app: vllm}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.11.0
        env:
        - name: VLLM_PORT
          value: 8000   # the port
        - {name: A, value: yes}
"""


def fixed(tmp_path: Path, text: str, *words: str) -> str:
    file = tmp_path / "a.yaml"
    file.write_bytes(text.encode())
    main(["lint", str(file), "--fix", *words])
    return file.read_bytes().decode()


@pytest.mark.parametrize("text", [BLOCK, LISTS, FLOW], ids=["block", "lists", "flow"])
def test_dev_shm_is_added_with_its_mount(tmp_path: Path, text: str) -> None:
    new = fixed(tmp_path, text)
    spec = yaml.safe_load(new)["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"]
    volume = {"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}}
    assert volume in spec["volumes"]
    assert {"name": "dshm", "mountPath": "/dev/shm"} in spec["containers"][0]["volumeMounts"]
    assert main(["lint", str(tmp_path / "a.yaml"), "--only", "CONF060,CONF061,CONF063"]) == 0


ELSEWHERE = LISTS.replace(
    "- name: models\n              m", "- name: gone\n              m"
).replace("mountPath: /models", "mountPath: /dev/shm/")
WINDOWS = TYPES.replace("\n", "\r\n")
MENDED = ("gpu: true", "replicas", "8000", "yes")


@pytest.mark.parametrize("text", [BLOCK, LISTS, TYPES, WINDOWS, f"\ufeff{BLOCK}"])
def test_every_line_that_is_not_mended_is_as_it_was(tmp_path: Path, text: str) -> None:
    new = fixed(tmp_path, text)
    assert new != text
    kept = [line for line in text.split("\n") if line in new.split("\n")]
    changed = [line for line in text.split("\n") if line not in kept]
    assert all(w in line for line, w in zip(changed, MENDED, strict=False))
    assert new.count("\r\n") in (0, new.count("\n"))
    assert new.count("#") == text.count("#")


def test_values_of_a_wrong_type_are_quoted_as_they_were_written(tmp_path: Path) -> None:
    new = fixed(tmp_path, TYPES)
    assert 'labels: {gpu: "true", v: "1.10"}' in new
    assert "replicas: 1  # one" in new
    assert 'value: "8000"   # the port' in new
    assert '{name: A, value: "yes"}' in new


@pytest.mark.parametrize("text", [BLOCK, LISTS, FLOW, TYPES, f"{TYPES}---\n{BLOCK}"])
def test_it_is_done_once(tmp_path: Path, text: str) -> None:
    once = fixed(tmp_path, text)
    assert fixed(tmp_path, once) == once


def test_other_documents_stay_as_they_are(tmp_path: Path) -> None:
    bad = "a: [\n"
    new = fixed(tmp_path, f"{bad}---\nx: 1\n---\n{TYPES}")
    assert new.startswith(f"{bad}---\nx: 1\n---\n")
    assert 'value: "8000"' in new


@pytest.mark.parametrize(
    "text",
    [
        BLOCK.replace("{nvidia.com/gpu: 8}", "{nvidia.com/gpu: 8, memory: 4Gi}"),
        BLOCK.replace("    size: 2", "    size: 2  # distcheck: ignore CONF060 x").replace(
            "- name: vllm", "- name: vllm  # distcheck: ignore CONF060 later"
        ),
        TYPES.replace("value: 8000", "value: &port 8000").replace("value: yes", "value: *port"),
        "kind: Pod\nspec:\n  x: {{ .Values.x }}\n",
        LISTS.replace("mountPath: /models", "mountPath: /dev/shm/").replace(
            "- name: models\n              m", "- name: gone\n              m"
        ),
    ],
    ids=["no room", "silenced", "anchored", "template", "mounted"],
)
def test_what_is_not_safe_is_left(tmp_path: Path, text: str) -> None:
    new = fixed(tmp_path, text, "--only", "CONF060,CONF063,CONF070")
    assert [x for x in ("dshm", '8000"') if x in new] == []


AS_JSON = json.dumps(yaml.safe_load(BLOCK), indent=2)


@pytest.mark.parametrize("flag", ["--fix", "--diff"])
@pytest.mark.parametrize("text", [AS_JSON, f"# a stream\n---\n{AS_JSON}\n"])
def test_json_is_left_where_it_would_become_yaml_and_why_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str, text: str
) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    main(["lint", str(file), flag])
    out, err = capsys.readouterr()
    assert (file.read_text(), "@@" in out, "is not mended: it is JSON" in err) == (
        text,
        False,
        True,
    )


def test_json_that_stays_json_is_mended(tmp_path: Path) -> None:
    held = yaml.safe_load(TYPES)
    new = fixed(tmp_path, json.dumps(held, indent=2), "--only", "CONF070")
    spec = json.loads(new)["spec"]["template"]["spec"]
    assert spec["containers"][0]["env"][0]["value"] == "8000"


def test_a_diff_alone_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(TYPES)
    main(["lint", str(file), "--diff"])
    assert file.read_text() == TYPES
    out = capsys.readouterr().out
    assert "\n-          value: 8000   # the port\n" in out
    assert '\n+          value: "8000"   # the port\n' in out


def test_the_diff_is_beside_output_for_machines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(TYPES)
    main(["lint", str(file), "--diff", "-o", "json"])
    out, err = capsys.readouterr()
    assert (out[0], "+++" in err) == ("{", True)


def test_the_mode_of_a_file_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(TYPES)
    file.chmod(0o640)
    main(["lint", str(file), "--fix"])
    assert file.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["a.yaml"]


def test_standard_input_cannot_be_mended(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "-", "--fix"]) == 2
    assert "need files" in capsys.readouterr().err


def test_mixed_line_ends_are_left(tmp_path: Path) -> None:
    text = TYPES.replace("\n", "\r\n", 3)
    assert fixed(tmp_path, text) == text
