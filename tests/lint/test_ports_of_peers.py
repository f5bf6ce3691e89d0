"""A Service's port beside the engine's, where connectors listen for the engine's peers, too."""

import pytest
from tests.lint.judge import found

SERVED = """
apiVersion: v1
kind: Service
metadata: {name: llm}
spec: {selector: {app: a}, ports: [{port: 80, targetPort: PORT}]}
---
apiVersion: v1
kind: Pod
metadata: {name: llm, labels: {app: a}}
spec:
  containers:
  - name: sglang
    image: ours/sglang:1
    command: [python3, -m, sglang.launch_server]
    args: [--model-path, /m, MORE]
    ports: [{containerPort: PORT}]
    env: [{name: NIXL_LOG_LEVEL, value: INFO}]
"""


def served(port: int, more: str = "--trust-remote-code") -> str:
    return SERVED.replace("PORT", f"{port}").replace("MORE", more)


def test_no_peer_is_met_where_people_ask_for_answers() -> None:
    (one,) = found(served(8000), "CONF028")
    assert (one.level, one.unseen) == ("error", "")
    assert one.fix == "Start the engine with `--port 8000`, or write `targetPort: 30000`."


@pytest.mark.parametrize("text", [served(30000), served(8000, "--port, '8000'")])
def test_the_engines_own_port_is_right(text: str) -> None:
    assert not found(text, "CONF028")


@pytest.mark.parametrize(
    "text",
    [
        served(8998),
        served(8000, "'--kv-events-config=x'"),
        served(8000, "--modelexpress-config, 'nixl:8000'"),
        served(8000, "--disaggregation-mode, decode"),
    ],
)
def test_a_port_that_may_be_for_peers_is_left_alone(text: str) -> None:
    assert not found(text, "CONF028")


def test_a_port_that_its_own_pods_do_not_name_may_be_of_pods_elsewhere() -> None:
    (one,) = found(served(8000).replace("ports: [{containerPort: 8000}]", "tty: true"), "CONF028")
    assert (one.level, one.unseen) == ("hint", "where NIXL listens for the engine's peers")


def test_what_else_starts_may_listen_there() -> None:
    hook = "    lifecycle: {postStart: {exec: {command: [sh, -c, start]}}}\n"
    assert not found(served(8000) + hook, "CONF028")
