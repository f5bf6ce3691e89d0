"""A Service whose selector fits servers of two models, and those that are right to do so."""

import pytest
from tests.lint.judge import found

SERVER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: %(name)s}
spec:
  selector: {matchLabels: {app: vllm, own: %(name)s}}
  template:
    metadata: {labels: {app: vllm, own: %(name)s}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.11.0
        args: [%(args)s]
        resources: {limits: {nvidia.com/gpu: 1}}
---"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {selector: {app: vllm}, ports: [{port: 80, targetPort: %s}], clusterIP: %s}
"""
QWEN, LLAMA = "--model, Qwen/Qwen3-8B", "--model, meta-llama/Llama-3.1-8B-Instruct"


def told(one: str, two: str, name: str = "api", port: int = 8000, ip: str = "") -> list[str]:
    servers = [SERVER % {"name": n, "args": a} for n, a in (("a", one), ("b", two))]
    text = "".join(servers) + SERVICE % (name, port, ip or '""')
    return [f"{f.level} {f.says}" for f in found(text, "CONF118")]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (QWEN, LLAMA),
        (QWEN, "--model, intfloat/e5-large, --runner, pooling"),
        (f"{QWEN}, --served-model-name, chat", f"{LLAMA}, --served-model-name=other"),
    ],
)
def test_a_service_leads_to_the_servers_of_two_models(one: str, two: str) -> None:
    (says,) = told(one, two)
    assert says.startswith("warning Service api leads to Deployment a, which serves ")
    assert " and to Deployment b, which serves " in says


def test_sglang_answers_for_any_name_and_may_be_meant_to_share_requests() -> None:
    sglang = SERVER.replace("vllm/vllm-openai:v0.11.0", "lmsysorg/sglang:v0.5.3").replace(
        "args: [%(args)s]",
        "command: [python3, -m, sglang.launch_server, --host, 0.0.0.0, --port, '8000',"
        " --model-path, %(args)s]",
    )
    servers = "".join(sglang % {"name": n, "args": f"/models/v{n}"} for n in "ab")
    (said,) = found(servers + SERVICE % ("api", 8000, '""'), "CONF118")
    assert (said.level, said.unseen) == ("hint", "whether they are meant to share requests")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (QWEN, QWEN),
        (QWEN, "--model, /models/Qwen3-8B"),
        (QWEN, f"{LLAMA}, --port, '8001'"),
        (f"{QWEN}, --served-model-name, chat", f"{LLAMA}, --served-model-name, llama, chat"),
    ],
    ids=["copies", "from a folder", "another port", "one alias"],
)
def test_servers_that_may_share_a_service(one: str, two: str) -> None:
    assert not told(one, two)


@pytest.mark.parametrize(
    "two", ["--model, $(MODEL)", "--config, /c.yaml", f"{LLAMA}, --enable-lora"]
)
def test_what_the_other_serves_is_not_known(two: str) -> None:
    assert not told(QWEN, two)


def test_each_port_leads_to_one_of_them() -> None:
    text = "".join(
        SERVER % {"name": n, "args": a} for n, a in (("a", QWEN), ("b", f"{LLAMA}, --port, '8001'"))
    )
    service = SERVICE % ("api", "8000}, {port: 81, targetPort: 8001", '""')
    assert not found(text + service, "CONF118")


def test_one_alias_may_be_written_in_two_ways() -> None:
    one, two = f"{QWEN}, --served-model-name=my_llm", f"{LLAMA}, --served_model_name, my_llm"
    assert not told(one, two)


def test_a_service_that_stands_for_each_pod_or_for_metrics_may_lead_to_both() -> None:
    assert not told(QWEN, LLAMA, ip="None")
    assert not told(QWEN, LLAMA, name="vllm-metrics")
