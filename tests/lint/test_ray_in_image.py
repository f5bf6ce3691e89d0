"""vLLM's images are without Ray from 0.18 on: what starts it there is told."""

import pytest
from tests.lint.judge import found

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: v}
spec:
  containers:
  - name: v
    image: %s
    command: %s
    resources: {limits: {nvidia.com/gpu: 8}}
"""
SERVE = "[vllm, serve, /m, -tp, '8', --distributed-executor-backend, %s]"
START = "[sh, -c, 'ray start --head; vllm serve /m -tp 8']"
INSTALLED = "[sh, -c, 'pip install ray && ray start --head; vllm serve /m -tp 8']"
OPAQUE = "[sh, -c, 'source /opt/prepare.sh; ray start --head; vllm serve /m -tp 8']"


@pytest.mark.parametrize(
    ("tag", "command", "levels"),
    [
        ("v0.17.1", START, []),
        ("v0.18.0", START, ["error"]),
        ("v0.18.0", SERVE % "ray", ["error"]),
        ("v0.18.0", SERVE % "mp", []),
        ("v0.18.0", INSTALLED, []),
        ("v0.18.0", OPAQUE, ["hint"]),
        ("v0.19.0-cu130-ubuntu2404", START, ["error"]),
        ("v0.19.0-aarch64", START, ["error"]),
        ("v0.19.0-ray", START, ["hint"]),
        ("v0.18.0", "[sh, -c, 'uv sync && ray start --head --block']", []),
        ("v0.18.0", "[sh, -c, '/deps/bin/ray start --head --block']", []),
        ("v0.18.0", "[/usr/local/bin/ray, start, --head, --block]", ["error"]),
        ("latest", START, ["hint"]),
        ("nightly", START, ["hint"]),
    ],
)
def test_ray_is_told_of_vllms_images_without_it(tag: str, command: str, levels: list[str]) -> None:
    text = POD % (f"vllm/vllm-openai:{tag}", command)
    assert [f.level for f in found(text, "CONF058")] == levels


@pytest.mark.parametrize("image", ["registry.io/ours/vllm:v0.19.0", "rayproject/ray-llm:2.56.0"])
def test_other_images_may_have_ray(image: str) -> None:
    assert not found(POD % (image, START), "CONF058")


def test_an_install_over_several_lines_is_one() -> None:
    script = '[sh, -c, "pip install \\\\\\n  ray==2.54.0\\nray start --head --block"]'
    assert not found(POD % ("vllm/vllm-openai:v0.19.0", script), "CONF058")


def test_an_init_container_may_install_ray_into_a_volume() -> None:
    text = POD % ("vllm/vllm-openai:v0.19.0", START)
    init = "initContainers: [{name: i, image: a:1, command: [pip, install, --target=/d, ray]}]"
    assert not found(text.replace("  containers:", f"  {init}\n  containers:"), "CONF058")


def test_a_container_beside_rays_own_is_not_meant() -> None:
    text = """\
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: llm}
spec:
  headGroupSpec:
    template:
      spec:
        containers:
        - {name: ray-head, image: "rayproject/ray-llm:2.56.0"}
        - {name: beside, image: "vllm/vllm-openai:v0.20.0", args: [--model, /m]}
"""
    assert not found(text, "CONF058")
