"""vLLM's NIXL connector listens at localhost unless it is told where others ask for its cache."""

import pytest
from tests.lint.judge import found

TEXT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: prefill}
spec:
  selector: {matchLabels: {app: prefill}}
  template:
    metadata: {labels: {app: prefill}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.11.0
        env: [%s]
        args:
        - --model=/m
        - --kv-transfer-config=%s
        resources: {limits: {nvidia.com/gpu: 1}}
"""
CONFIG = '{"kv_connector":"%s","kv_role":"%s"}'
NIXL = CONFIG % ("NixlConnector", "kv_both")
OWN = "{name: VLLM_NIXL_SIDE_CHANNEL_HOST, valueFrom: {fieldRef: {fieldPath: status.podIP}}}"


@pytest.mark.parametrize(
    ("env", "config", "levels"),
    [
        ("", NIXL, ["warning"]),
        ("{name: VLLM_NIXL_SIDE_CHANNEL_HOST, value: localhost}", NIXL, ["warning"]),
        ("{name: VLLM_NIXL_SIDE_CHANNEL_HOST, value: 10.0.0.7}", NIXL, []),
        (OWN, NIXL, []),
        ("", CONFIG % ("NixlConnector", "kv_producer"), ["warning"]),
        ("", CONFIG % ("NixlConnector", "kv_consumer"), []),
        ("", CONFIG % ("LMCacheConnectorV1", "kv_both"), []),
    ],
)
def test_a_pod_that_hands_its_cache_over_says_where(
    env: str, config: str, levels: list[str]
) -> None:
    assert [f.level for f in found(TEXT % (env, config), "CONF039")] == levels


def test_what_comes_from_elsewhere_may_tell_it() -> None:
    text = (TEXT % ("", NIXL)).replace("env: []", "envFrom: [{configMapRef: {name: nixl}}]")
    assert not found(text, "CONF039")


def test_an_instance_that_may_only_decode_is_asked_by_nobody() -> None:
    text = TEXT % ("", NIXL)
    assert [f.level for f in found(text.replace("prefill", "decode"), "CONF039")] == ["hint"]
    producer = TEXT % ("", CONFIG % ("NixlConnector", "kv_producer"))
    assert [f.level for f in found(producer.replace("prefill", "p"), "CONF039")] == ["warning"]


def test_in_one_nodes_network_localhost_may_be_enough() -> None:
    text = (TEXT % ("", NIXL)).replace(
        "      containers", "      hostNetwork: true\n      containers"
    )
    assert [f.level for f in found(text, "CONF039")] == ["hint"]


def test_engines_that_share_a_pod_find_each_other_at_localhost() -> None:
    text = TEXT % ("", NIXL)
    first = text[text.index("      - name: vllm") :]
    assert not found(text + first.replace("name: vllm", "name: decode"), "CONF039")
