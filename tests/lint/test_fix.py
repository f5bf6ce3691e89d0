"""`--fix` changes what it must, keeps all else, and leaves what it cannot be sure of."""

import json
from collections.abc import Callable
from errno import ENOSPC
from io import BytesIO, TextIOWrapper
from itertools import pairwise
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from tests.lint.judge import found as found_by

from distcheck.agent.cli.app import main
from distcheck.agent.manifests import inserting

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


def test_what_is_under_an_anchor_is_left_and_the_rest_is_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = TYPES.replace("- {name: A, value: yes}", "- <<: *b")
    text = f"x: &b\n  name: A\n  value: 1\n{text}"
    new = fixed(tmp_path, text, "--only", "CONF070")
    assert ('value: "8000"' in new, "\n  value: 1\n" in new, "- <<: *b" in new) == (True,) * 3
    assert ":3:10 (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "new"),
    [("exists", "Exists"), ("'notin'", "'NotIn'"), ("Gte", "Gte"), ("!!str in", "!!str in")],
)
def test_operators_that_lack_capitals_are_spelt_right(tmp_path: Path, word: str, new: str) -> None:
    term = f"{{key: gpu, operator: {word}}}  # why"
    affinity = (
        "        affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution:\n"
        "          {nodeSelectorTerms: [{matchExpressions: [\n"
        f"            {term}\n          ]}}]}}}}}}\n"
    )
    made = fixed(tmp_path, BLOCK + affinity, "--only", "CONF091")
    assert made == BLOCK + affinity.replace(f"operator: {word}", f"operator: {new}")


def test_an_empty_list_is_filled(tmp_path: Path) -> None:
    new = fixed(tmp_path, f"{BLOCK}        volumes: []  # none\n", "--only", "CONF060")
    size = "emptyDir: {medium: Memory, sizeLimit: 8Gi}"
    assert f"        volumes: [{{name: dshm, {size}}}]  # none\n" in new


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


def test_a_value_in_a_list_that_gets_one_more_item_is_mended_too(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(LISTS.replace("emptyDir: {}", "hostPath: {path: 1}"))
    assert main(["lint", "--fix", "--only", "CONF060,CONF070", str(path)]) == 0
    template = yaml.safe_load(path.read_text())["spec"]["leaderWorkerTemplate"]["workerTemplate"]
    volumes = {v["name"]: v for v in template["spec"]["volumes"]}
    assert volumes["models"]["hostPath"] == {"path": "1"}
    assert volumes["dshm"]["emptyDir"]["medium"] == "Memory"


def test_the_mode_of_a_file_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(TYPES)
    file.chmod(0o640)
    main(["lint", str(file), "--fix"])
    assert file.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["a.yaml"]


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def give(text: str) -> None:
        monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(text.encode())))

    return give


def test_standard_input_is_mended_to_standard_output(
    piped: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    piped(TYPES)
    assert main(["lint", "-", "--fix", "--only", "CONF070"]) == 0
    out, err = capsys.readouterr()
    assert out == TYPES.replace("8000", '"8000"').replace("yes", '"yes"').replace(
        '"1"  # one', "1  # one"
    ).replace("true, v: 1.10", '"true", v: "1.10"')
    assert "+          value: " in err
    assert "No findings" in err


def test_standard_input_without_anything_to_mend_is_passed_on(
    piped: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    piped("a: [\n")
    assert main(["lint", "-", "--fix"]) == 2
    out, err = capsys.readouterr()
    assert (out, "unreadable" in err) == ("a: [\n", True)


@pytest.mark.parametrize("words", [("-", "a.yaml"), ("-", "-o", "json")])
def test_standard_output_is_for_one_thing(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lint", "--fix", *words]) == 2
    assert "the mended text goes to standard output" in capsys.readouterr().err


def test_a_file_that_is_write_protected_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(TYPES)
    file.chmod(0o444)
    assert main(["lint", str(file), "--fix", "--only", "CONF070"]) == 1
    assert file.read_text() == TYPES
    assert "was not written: it is write-protected" in capsys.readouterr().err


def test_what_a_link_leads_to_is_mended_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(TYPES)
    link = tmp_path / "a.yaml"
    link.symlink_to("real")
    main(["lint", str(link), "--fix"])
    assert link.is_symlink()
    assert '"8000"' in (tmp_path / "real").read_text()


def test_a_full_disk_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(TYPES)

    def full(handle: int) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    main(["lint", str(file), "--fix"])
    assert file.read_text() == TYPES
    assert [p.name for p in tmp_path.iterdir()] == ["a.yaml"]
    assert "was not written: No space left" in capsys.readouterr().err


def test_mixed_line_ends_are_left(tmp_path: Path) -> None:
    text = TYPES.replace("\n", "\r\n", 3)
    assert fixed(tmp_path, text) == text


CLAIMED = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: vllm}
spec:
  selector: {matchLabels: {app: v}}
  template:
    metadata: {labels: {app: v}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.11.0
        args: [--model, /m, --tensor-parallel-size, "8"]
        volumeMounts:
        - {name: dshm, mountPath: /m}
        resources: {limits: {nvidia.com/gpu: 8}}
  volumeClaimTemplates:
  - metadata: {name: dshm}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Ti}}}
"""


def test_a_claim_of_the_pods_keeps_its_name(tmp_path: Path) -> None:
    spec = yaml.safe_load(fixed(tmp_path, CLAIMED))["spec"]["template"]["spec"]
    (volume,) = spec["volumes"]
    mounts = {m["mountPath"]: m["name"] for m in spec["containers"][0]["volumeMounts"]}
    assert mounts == {"/m": "dshm", "/dev/shm": "distcheck-shm"}
    assert volume["name"] == "distcheck-shm"


def test_a_claim_at_dev_shm_wins_over_a_volume_of_its_name() -> None:
    text = CLAIMED.replace("/m}", "/dev/shm}")
    text = text.replace(
        "      containers:",
        "      volumes: [{name: dshm, emptyDir: {medium: Memory}}]\n      containers:",
    )
    assert [(f.at.line, f.says[-20:]) for f in found_by(text, "CONF065")] == [
        (18, "lm is a claim's disk")
    ]


COMMENTED = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  # what runs
  containers:
  - name: vllm
    # distcheck: ignore CONF001 the other half is elsewhere

    # the ranks
    args: [--model, /m, --tensor-parallel-size, "8"]
    image: vllm/vllm-openai:v0.11.0
    resources: {limits: {nvidia.com/gpu: 4}}
"""
SCRIPTED = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - command:
    - sh
    - -c
    - |
      vllm serve /m --tensor-parallel-size 8
      # a line of the script
    image: vllm/vllm-openai:v0.11.0
    name: vllm
    resources: {limits: {nvidia.com/gpu: 8}}
"""


@pytest.mark.parametrize("text", [COMMENTED, SCRIPTED], ids=["comments", "a script"])
def test_what_is_added_parts_no_comment_from_its_key(tmp_path: Path, text: str) -> None:
    new = fixed(tmp_path, text)
    assert "mountPath: /dev/shm" in new
    lines = text.split("\n")
    for one, below in pairwise(lines):
        if one.lstrip().startswith("#") and below and not below.startswith("    image"):
            assert f"{one}\n{below}\n" in new
    assert (
        "- |\n      vllm serve /m --tensor-parallel-size 8\n      # a line" in new
        or text != SCRIPTED
    )
    main(["lint", "-o", f"json={tmp_path / 'r.json'}", str(tmp_path)])
    found = json.loads((tmp_path / "r.json").read_text())["findings"]
    assert all("silenced" in f for f in found if f["id"] == "CONF001")


def test_a_file_in_which_more_would_open_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inserting, "_above_comments", lambda _, mark: mark.key_line)
    assert fixed(tmp_path, COMMENTED) == COMMENTED
    assert "CONF001 would find more in it than before" in capsys.readouterr().err
    main(["lint", str(tmp_path)])
    assert "--fix" not in capsys.readouterr().out


def test_what_a_misspelt_operator_hid_does_not_keep_it_from_being_mended(tmp_path: Path) -> None:
    held = "{key: nvidia.com/gpu.product, operator: in, values: [NVIDIA-H100-SXM5-80GB]}"
    text = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: vllm}}
spec:
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms: [{{matchExpressions: [{held}]}}]
  containers:
  - {{name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}}
"""
    assert fixed(tmp_path, text) == text.replace("operator: in", "operator: In")


INDENTED = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
    - name: vllm
      image: vllm/vllm-openai:v0.11.0
      args:
      - --model=m/x
      - --tensor-parallel-size=8
      resources: {limits: {nvidia.com/gpu: 8}}
"""


@pytest.mark.parametrize("args", ["", "*words", "[--model=m/x]"])
def test_a_list_that_is_added_is_indented_as_those_beside_it(tmp_path: Path, args: str) -> None:
    """A list around it tells, too, where those beside it are aliases or on one line."""
    text = INDENTED
    if args:
        text = text.replace(
            "args:\n      - --model=m/x\n      - --tensor-parallel-size=8", f"args: {args}"
        )
        text = text.replace("{name: vllm}", "{name: vllm, annotations: {a: &words x}}", 1)
    text = text if args != "*words" else text.replace("args:", "workingDir:")
    (file := tmp_path / "a.yaml").write_text(text)
    main(["lint", "--fix", str(file)])
    dash = "        " if args else "      "
    assert f"      volumeMounts:\n{dash}- name: dshm\n" in file.read_text()
    assert "  volumes:\n    - name: dshm\n      emptyDir:\n" in file.read_text()


def test_where_nothing_is_left_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file := tmp_path / "a.yaml").write_text(INDENTED)
    main(["lint", "--fix", str(file)])
    assert capsys.readouterr().err == "distcheck: 1 file mended\n"
    file.write_text(INDENTED.replace("v0.11.0", "latest"))
    main(["lint", "--fix", str(file)])
    assert capsys.readouterr().err == "distcheck: 1 file mended; what is left:\n"
