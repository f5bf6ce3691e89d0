"""Prefill and decode of SGLang in one RayCluster: each counts its ranks from 0."""

import pytest
from tests.lint.judge import judged

HEAD = """\
apiVersion: ray.io/v1
kind: RayCluster
metadata: {{name: pd}}
spec:
  headGroupSpec:
    rayStartParams: {{}}
    template: {pod}
  workerGroupSpecs:
"""
WORKER = "  - {{groupName: g{number}, replicas: 1, rayStartParams: {{}}, template: {pod}}}\n"
POD = """{{spec: {{containers: [{{name: main, image: "lmsysorg/sglang:v0.5.3",
      command: [bash, -c, "python3 -m sglang.launch_server --model-path /m --tp 16 --nnodes 2
      --node-rank {rank} --dist-init-addr $ADDRESS:{port} --disaggregation-mode {stage}"],
      resources: {{limits: {{nvidia.com/gpu: 8}}}}}}]}}}}"""


def cluster(*pods: tuple[int, int, str]) -> set[tuple[str, str]]:
    held = [POD.format(rank=rank, port=port, stage=stage) for rank, port, stage in pods]
    text = HEAD.format(pod=held[0]) + "".join(
        WORKER.format(number=n, pod=pod) for n, pod in enumerate(held[1:])
    )
    report = judged(text)
    return {(f.id, f.level) for f in report.findings if f.id in ("CONF008", "CONF026")}


def test_each_stage_has_ranks_and_a_port_of_its_own() -> None:
    pods = [(0, 5000, "prefill"), (1, 5000, "prefill"), (0, 5001, "decode"), (1, 5001, "decode")]
    assert cluster(*pods) == set()


@pytest.mark.parametrize(
    ("last", "rule"), [((0, 5001, "decode"), "CONF008"), ((1, 5002, "decode"), "CONF026")]
)
def test_within_a_stage_they_differ_and_meet(last: tuple[int, int, str], rule: str) -> None:
    pods = [(0, 5000, "prefill"), (1, 5000, "prefill"), (0, 5001, "decode"), last]
    assert cluster(*pods) == {(rule, "error")}
