"""Ray Serve that a script starts listens on its own pod alone, unless it is told."""

import pytest
from tests.lint.judge import found

TEXT = """\
apiVersion: v1
kind: Service
metadata: {name: llm}
spec: {selector: {app: llm}, ports: [{port: 80, targetPort: TARGET}]}
---
apiVersion: v1
kind: Pod
metadata: {name: llm, labels: {app: llm}}
spec:
  containers:
  - name: ray
    image: rayproject/ray-llm:2.46.0
    command: [bash, -c, "ray start --head; SCRIPT"]
    env: [{name: A, value: b}ENV]
    resources: {limits: {nvidia.com/gpu: 1}}
"""
LLM = "serve run ray.serve.llm:build_openai_app model=m"


def levels(script: str, target: object = 8000, env: str = "") -> list[str]:
    text = TEXT.replace("SCRIPT", script).replace("TARGET", str(target)).replace("ENV", env)
    return [f.level for f in found(text, "CONF036")]


@pytest.mark.parametrize(
    "script",
    [
        "serve start",
        f"serve start && {LLM}",
        "serve start --http-host 127.0.0.1 && sleep inf",
        "serve start --http-host=localhost; serve deploy /c.yaml",
        LLM,
    ],
)
def test_without_a_host_it_is_not_reached(script: str) -> None:
    assert levels(script) == ["error"]


@pytest.mark.parametrize(
    "script",
    [
        "serve start --http-host 0.0.0.0",
        f"serve start --http-host=0.0.0.0; {LLM}",
        "serve run /config.yaml",
        "serve deploy /config.yaml; sleep inf",
        "serve build m:app -o x; vllm serve /m",
        "serve status",
        "serve start --http-port 9000",
    ],
)
def test_a_host_a_file_or_another_port_is_right(script: str) -> None:
    assert levels(script) == []


def test_code_of_ones_own_may_start_serve() -> None:
    assert levels("serve run app:app") == ["hint"]
    assert levels("serve start --http-port 9000", 9000) == ["error"]


def test_variables_say_where_it_listens() -> None:
    name = ", {name: RAY_SERVE_DEFAULT_HTTP_HOST, value: %s}"
    assert levels("serve start", env=name % "0.0.0.0") == []
    assert levels("serve start", env=name % "127.0.0.1") == ["error"]
    assert levels("serve start", env=', {name: RAY_SERVE_ENABLE_HA_PROXY, value: "1"}') == []


def test_a_port_that_nobody_asks_for_is_nobodys_business() -> None:
    assert levels("serve start", 9000) == []
