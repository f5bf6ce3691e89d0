"""Probes and what is advised for them go to the port on which the engine really listens."""

import pytest
from tests.lint.judge import found

POD = """
apiVersion: v1
kind: Service
metadata: {name: llm}
spec: {selector: {app: llm}, ports: [{port: 80, targetPort: TARGET}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: llm}
spec:
  selector: {matchLabels: {app: llm}}
  template:
    metadata: {labels: {app: llm}}
    spec:
      containers:
      - name: engine
        image: IMAGE
        command: COMMAND
        resources: {limits: {nvidia.com/gpu: 8}}
        PROBE
"""
SGLANG = "[python3, -m, sglang.launch_server, --model-path=m/x, --tp=8, --node-rank=$(I)MORE]"
RAY = '[bash, -c, "ray start --head && vllm serve m/x -tp 8 -pp 2 --port 8080"]'
SCRIPT = '[sh, -c, "bash /v/multi-node-serving.sh leader --ray_cluster_size=2; vllm serve m/x --port 8080"]'  # noqa: E501
HEALTH = "readinessProbe: {httpGet: {path: /health, port: %s}}"


def pod(
    command: str, probe: str, image: str = "vllm/vllm-openai:v0.11.0", target: str = "8"
) -> str:
    text = POD.replace("IMAGE", image).replace("COMMAND", command).replace("PROBE", probe)
    return text.replace("TARGET", target)


@pytest.mark.parametrize(
    ("command", "probe", "own"),
    [
        (SGLANG.replace("MORE", ", --port=30000"), HEALTH % 8000, 30000),
        (SGLANG.replace("MORE", ""), HEALTH.replace("readiness", "liveness") % 9999, 30000),
        (RAY, HEALTH % 8000, 8080),
        (RAY, HEALTH % 9999, 8080),
        (SCRIPT, "readinessProbe: {tcpSocket: {port: 8000}}", 8080),
    ],
)
def test_a_probe_of_another_port_is_told_with_the_engines_own(
    command: str, probe: str, own: int
) -> None:
    (one,) = found(pod(command, probe), "CONF080")
    assert one.level == "error"
    assert one.fix == f"Ask port {own}, on which the engine listens."


SIDECAR = "\n      - {name: proxy, image: %s}"


@pytest.mark.parametrize(
    ("command", "probe"),
    [
        (RAY, HEALTH % 8265),
        (RAY, HEALTH % 8080),
        (RAY, HEALTH % 8000 + SIDECAR % "proxy, ports: [{containerPort: 8000}]"),
        (RAY, HEALTH % 8000 + SIDECAR % "proxy, args: [--port=8000]"),
        ('[sh, -c, "python3 router.py & vllm serve m/x --port 8080"]', HEALTH % 9000),
        ('[sh, -c, "python3 -m router & python3 -m vllm.x --port 8080"]', HEALTH % 9000),
        ('[sh, -c, "vllm serve m/x $ARGS"]', HEALTH % 9000),
        ("[vllm, serve, m/x, --config, /c.yaml]", HEALTH % 9000),
    ],
)
def test_other_servers_may_answer_a_probe(command: str, probe: str) -> None:
    assert not found(pod(command, probe), "CONF080")


def test_a_container_that_does_not_say_where_it_listens_makes_it_a_hint() -> None:
    (one,) = found(pod(RAY, HEALTH % 8000 + SIDECAR % "proxy"), "CONF080")
    assert (one.level, one.unseen) == ("hint", "on which port container proxy listens")


MINE = "ports: [{containerPort: 8080}]\n        readinessProbe: {tcpSocket: {port: 8080}}"
SERVE = "[vllm, serve, m/x, -tp, '8']"


def test_a_port_that_is_only_declared_answers_no_probe_and_no_service() -> None:
    text = pod(SERVE, MINE, target="8080")
    for rule in ("CONF080", "CONF028"):
        (one,) = found(text, rule)
        assert one.level == "error"
        assert one.fix.startswith("Start the engine with `--port 8080`, or ")


OWN = "ours/vllm:1\n        args: [--model, m/x, -tp, '8']"
STAYS = "{name: p, image: p, restartPolicy: Always}"
PROXY = "{name: proxy, image: nginx, args: [-c, /n.conf]}"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("spec:\n      containers:", "spec:\n      hostNetwork: true\n      containers:"),
        ("name: engine\n", "name: engine\n        lifecycle: {postStart: {sleep: {seconds: 1}}}\n"),
        ("labels: {app: llm}}\n", "labels: {app: llm}, annotations: {dapr.io/enabled: 'true'}}\n"),
        ("containers:\n", f"initContainers: [{STAYS}]\n      containers:\n"),
        ("      - name: engine", f"      - {PROXY}\n      - name: engine"),
        (SERVE, "[/opt/start, vllm, serve, m/x]"),
        (SERVE, "[vllm, serve, m/x, --kv-transfer-config, x]"),
        (f"vllm/vllm-openai:v0.11.0\n        command: {SERVE}", OWN),
        (SERVE, "[sh, -c, 'python3 proxy.py & vllm serve m/x']"),
        (SERVE, "[vllm, serve, m/x, --config, /c.yaml]"),
    ],
)
def test_what_else_may_listen_in_the_pod_makes_another_port_no_error(old: str, new: str) -> None:
    text = pod(SERVE, MINE, target="8080")
    assert old in text
    told = [f for rule in ("CONF080", "CONF028") for f in found(text.replace(old, new), rule)]
    assert told == []
    bare = text.replace(old, new).replace("ports: [{containerPort: 8080}]", "")
    told = [f for rule in ("CONF080", "CONF028") for f in found(bare, rule)]
    assert all(f.level == "hint" and f.unseen for f in told)


def test_a_path_of_another_server_is_mended_by_the_path() -> None:
    (one,) = found(pod(RAY, "readinessProbe: {httpGet: {path: /healthz, port: 8080}}"), "CONF080")
    assert one.fix == "Ask `path: /health`."


@pytest.mark.parametrize(
    ("more", "ports", "port"),
    [
        ("--port=30000", "ports: [{containerPort: 30000}]", "30000"),
        ("--port=9000", "", "9000"),
        ("--port=9000", "ports: [{name: api, containerPort: 9000}]", "api"),
        ("$ARGS", "", "9100"),
    ],
)
def test_the_probe_to_add_asks_the_engines_port(more: str, ports: str, port: str) -> None:
    text = pod(f'[sh, -c, "vllm serve m/x {more}"]', ports, target="9100")
    (one,) = found(text, "CONF082")
    assert one.fix == f"Add `readinessProbe: {{httpGet: {{path: /health, port: {port}}}}}`."


BY_NAME = "ports: [{name: http, containerPort: 8080}]\n        " + (HEALTH % "http")


def test_a_name_stands_for_the_number_that_is_declared_under_it() -> None:
    text = pod(SERVE, BY_NAME, target="http")
    for rule in ("CONF080", "CONF028"):
        (one,) = found(text, rule)
        assert one.level == "error"
        assert one.fix.startswith("Start the engine with `--port 8080`, or ")
    right = text.replace("containerPort: 8080", "containerPort: 8000")
    assert [found(right, rule) for rule in ("CONF080", "CONF028")] == [(), ()]


def test_a_port_beside_the_one_that_leads_to_the_engine_by_name_is_no_error() -> None:
    ports = "ports: [{name: http, containerPort: 8000}, {name: more, containerPort: 9090}]"
    text = pod(SERVE, ports, target="http").replace(
        "targetPort: http}", "targetPort: http}, {port: 9090, targetPort: more}"
    )
    assert found(text, "CONF028") == ()
