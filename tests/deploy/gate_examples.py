"""The examples of `deploy/gate`, and the commands that they run."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.deploy.manifests import DEPLOY, Object

GATE = DEPLOY / "gate"
EXAMPLES = sorted(GATE.glob("*.yaml"))
RELEASE = {"{{ .Release.Name }}": "demo", "{{ .Release.Namespace }}": "llm"}
ARGS = {"{{args.target}}": "sts/vllm-head", "{{args.namespace}}": "llm"}
ARGS |= {"{{args.workload}}": "vllm-head"}
NEVER = ("$(", "{{")


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` as the tool hands it on."""
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def example(name: str, values: Mapping[str, str] = RELEASE | ARGS) -> Object:
    """The first object of that file, with its templates filled in."""
    (first, *_) = yaml.safe_load_all(filled((GATE / f"{name}.yaml").read_text(), values))
    made: Object = first
    return made


def pod_spec_of(name: str) -> Object:
    """The pod that a Job, a Helm test or an analysis starts."""
    made = example(name)
    spec = made["spec"]
    if made["kind"] == "AnalysisTemplate":
        spec = spec["metrics"][0]["provider"]["job"]["spec"]
    found: Object = spec if made["kind"] == "Pod" else spec["template"]["spec"]
    return found


def argv_of(name: str) -> list[str]:
    """The words that the example's container runs."""
    if name == "tekton":
        params = {
            f"$(params.{p['name']})": p["default"] for p in example("tekton")["spec"]["params"]
        }
        (first, _) = example("tekton", params)["spec"]["steps"]
        return [*first["command"], *first["args"]]
    (container,) = pod_spec_of(name)["containers"]
    return [*container["command"], *container["args"]]


def script_of(path: Path, find: str) -> str:
    """The shell line of a pipeline's file that runs `find`."""
    return next(s for s in _strings(yaml.safe_load(path.read_text())) if find in s)


def patient(words: str | list[str], seconds: str) -> Any:
    """The same with a shorter patience, so that a test may see it end."""
    if isinstance(words, str):
        return re.sub(r"--wait=\w+", f"--wait={seconds}", words)
    return [re.sub(r"--wait=\w+", f"--wait={seconds}", w) for w in words]


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        every = value.values() if isinstance(value, dict) else value
        return [s for one in every for s in _strings(one)]
    return [value] if isinstance(value, str) else []
