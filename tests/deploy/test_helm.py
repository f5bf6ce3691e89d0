"""The Helm chart makes the objects of the plain manifests, and refuses what it does not know."""

import json
from pathlib import Path

import kubernetes_validate
import pytest
import yaml  # type: ignore[import-untyped]
from msgspec import structs

from distcheck import __version__
from distcheck.agent.settings import PREFIX, Settings
from tests.deploy.charts import (
    CHART,
    bare,
    helm,
    is_test,
    keyed,
    kustomized,
    refused,
    rendered,
)
from tests.deploy.manifests import Object, container, discovery, kubectl, pod_spec

SERVE: Object = {"serve": {"enabled": True}}
POLICIES: Object = {"networkPolicy": {"enabled": True}}
OPERATOR: Object = {"prometheus": {
    part: {"enabled": True} for part in ("podMonitor", "serviceMonitor", "rules")
}}  # fmt: skip
CHOICES: dict[str, tuple[Object, list[str], list[str]]] = {
    "default": ({}, ["agent"], []),
    "no-capabilities": (
        {"agent": {"tier": "no-capabilities"}}, ["agent"], ["tiers/no-capabilities"],
    ),
    "port-probes": ({"agent": {"tier": "port-probes"}}, ["agent"], ["tiers/port-probes"]),
    "nvidia runtime": (
        {"agent": {"runtimeClassName": "nvidia"}}, ["agent"], ["options/nvidia-runtime"],
    ),
    "selinux": ({"agent": {"seLinux": True}}, ["agent"], ["options/selinux"]),
    "xid watch": ({"agent": {"xidWatch": True}}, ["agent"], ["options/xid-watch"]),
    "serve": (SERVE, ["agent", "serve"], []),
    "serve of one namespace": (
        {"serve": {"enabled": True, "namespaces": ["llm"]}},
        ["agent", "serve"], ["options/serve-namespaces"],
    ),
    "prometheus operator": (SERVE | OPERATOR, ["agent", "serve", "prometheus"], []),
    "everything": (
        SERVE | POLICIES | OPERATOR | {"agent": {
            "tier": "port-probes", "runtimeClassName": "nvidia", "seLinux": True, "xidWatch": True,
        }},
        ["agent", "serve", "prometheus"],
        ["tiers/port-probes", "options/nvidia-runtime", "options/selinux", "options/xid-watch",
         "options/network-policies"],
    ),
}  # fmt: skip
"""Values, and the bases and components of the same choice."""


@pytest.mark.parametrize("choice", CHOICES)
def test_it_makes_what_kustomize_makes(choice: str, tmp_path: Path) -> None:
    """All of it but the namespace, which is the release's and there before the chart."""
    values, resources, components = CHOICES[choice]
    plain = keyed(kustomized(tmp_path, resources, components))
    assert plain.pop(("Namespace", "", "distcheck"))
    assert keyed([o for o in rendered(values) if not is_test(o)]) == plain


@pytest.mark.parametrize("choice", CHOICES)
def test_every_object_is_valid_and_labelled(choice: str) -> None:
    for one in rendered(CHOICES[choice][0]):
        if not one["apiVersion"].startswith("monitoring.coreos.com/"):
            kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "distcheck"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["helm.sh/chart"] == f"distcheck-{__version__}"


def test_kubectl_takes_what_it_makes(tmp_path: Path) -> None:
    made = rendered(CHOICES["everything"][0])
    words = ("create", "--dry-run=client", "--validate=false", "-o", "name", "-f", "-")
    with discovery() as server:
        flags = (f"--server={server}", f"--cache-dir={tmp_path}")
        names = kubectl(*words, *flags, given=yaml.safe_dump_all(made)).split()
    assert len(names) == len(made)


def test_helm_finds_nothing_to_complain_of() -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout + done.stderr


WRONG: dict[str, tuple[Object, str]] = {
    "a name that is misspelt": ({"agent": {"teir": "default"}}, "'teir'"),
    "a tier that is none": ({"agent": {"tier": "all"}}, "no-capabilities"),
    "the tag latest": ({"image": {"tag": "latest"}}, "/image/tag"),
    "a digest cut short": ({"image": {"digest": "sha256:abc"}}, "/image/digest"),
    "a variable of another's": ({"agent": {"extraEnv": {"LD_PRELOAD": "x"}}}, "LD_PRELOAD"),
    "a setting that the chart makes": (
        {"agent": {"extraEnv": {"DISTCHECK_METRICS": "0.0.0.0:1"}}}, "DISTCHECK_METRICS",
    ),
    "an interval without a unit": ({"serve": {"interval": "60"}}, "/serve/interval"),
    "a number for a switch": ({"serve": {"enabled": 1}}, "/serve/enabled"),
    "a check that is none": ({"serve": {"skip": ["sockets"]}}, "/serve/skip/0"),
    "a namespace that is none": ({"serve": {"namespaces": ["LLM"]}}, "/serve/namespaces/0"),
    "nobody who may scrape": (
        {"networkPolicy": {"prometheusNamespaces": []}}, "/networkPolicy/prometheusNamespaces",
    ),
    "half a toleration": ({"agent": {"tolerations": [{"operator": "Has"}]}}, "/operator"),
    "memory in words": ({"agent": {"resources": {"limits": {"memory": "lots"}}}}, "memory"),
    "a tag in the repository": ({"image": {"repository": "foo/bar:latest"}}, "/image/repository"),
    "the whole node to write to": ({"agent": {"hostPaths": {"state": "/"}}}, "/hostPaths/state"),
    "a folder of the system's to write to": ({"agent": {"hostPaths": {"state": "/etc"}}}, "state"),
    "a way out of a folder": ({"agent": {"hostPaths": {"podLogs": "/../etc"}}}, "/podLogs"),
    "a time in words": ({"agent": {"extraEnv": {"DISTCHECK_TIMEOUT": "banana"}}}, "TIMEOUT"),
    "nothing where settings are": ({"serve": None}, "'serve'"),
    "no port of the API server": ({"networkPolicy": {"apiServerPorts": []}}, "apiServerPorts"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_is_refused_and_named(case: str) -> None:
    values, named = WRONG[case]
    assert named in refused(values)


def test_what_kubernetes_takes_is_taken() -> None:
    rendered({
        "image": {"repository": "registry.local:5000/a/dist_check"},
        "serve": {"interval": "1h30m", "enabled": True},
        "agent": {
            "resources": {"limits": {"cpu": "1e3", "memory": "0.5Gi"}},
            "tolerations": [{"key": "sla", "operator": "Gt", "value": "9"}],
            "extraEnv": {"DISTCHECK_TIMEOUT": "2.5"},
            "hostPaths": {"podLogs": "/mnt/k8s.d/pods", "state": "/mnt/data/.distcheck"},
        },
    })  # fmt: skip


def test_a_namespace_that_is_a_number_stays_a_name() -> None:
    for one in rendered(SERVE | POLICIES, "123"):
        assert one["metadata"].get("namespace") in (None, "123")


def test_annotations_of_ones_own_win_over_ours() -> None:
    off = {"podAnnotations": {"prometheus.io/scrape": "false"}}
    for one in rendered({"agent": off, "serve": off | {"enabled": True}}):
        if one["kind"] in ("DaemonSet", "Deployment"):
            given = one["spec"]["template"]["metadata"]["annotations"]
            assert given["prometheus.io/scrape"] == "false"
            assert given["prometheus.io/port"] in ("9410", "9412")


def test_other_ports_of_the_api_server_are_let_through() -> None:
    policies = {"networkPolicy": {"enabled": True, "apiServerPorts": [16443]}}
    made = next(o for o in rendered(SERVE | policies) if o["kind"] == "NetworkPolicy"
                and o["metadata"]["name"] == "distcheck-serve")  # fmt: skip
    assert made["spec"]["egress"][0] == {"ports": [{"port": 16443, "protocol": "TCP"}]}


def test_serve_of_some_namespaces_is_refused_where_it_would_not_find_the_agents() -> None:
    values = json.dumps({"serve": {"enabled": True, "namespaces": ["llm"]}})
    done = helm("template", "x", str(CHART), "--namespace", "elsewhere", "-f", "-", given=values)
    assert "install with --namespace distcheck" in done.stderr


def test_another_namespace_is_in_every_object() -> None:
    for one in rendered(SERVE | POLICIES, "elsewhere"):
        cluster_wide = one["kind"] in ("PriorityClass", "ClusterRole", "ClusterRoleBinding")
        assert one["metadata"].get("namespace") == (None if cluster_wide else "elsewhere")
        assert {s["namespace"] for s in one.get("subjects", ())} <= {"elsewhere"}


def test_settings_that_may_be_given_are_settings_of_the_agent() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    allowed = schema["properties"]["agent"]["properties"]["extraEnv"]["properties"]
    known = {f"{PREFIX}{f.name.upper()}" for f in structs.fields(Settings)}
    assert allowed.keys() <= known
    (agent,) = (o for o in rendered({"agent": {"extraEnv": {"DISTCHECK_TIMEOUT": "9"}}})
                if o["kind"] == "DaemonSet")  # fmt: skip
    assert {"name": "DISTCHECK_TIMEOUT", "value": "9"} in container(agent)["env"]


def daemonset(values: Object) -> Object:
    return next(o for o in rendered(values) if o["kind"] == "DaemonSet")


def test_an_image_by_digest_comes_from_the_registry_that_is_named() -> None:
    digest = f"sha256:{'ab' * 32}"
    image = {"repository": "registry.local:5000/distcheck", "digest": digest}
    made = daemonset({"image": image, "imagePullSecrets": [{"name": "regcred"}]})
    assert container(made)["image"] == f"registry.local:5000/distcheck@{digest}"
    assert pod_spec(made)["imagePullSecrets"] == [{"name": "regcred"}]


def test_the_token_of_ray_is_a_file_that_the_agent_reads() -> None:
    made = daemonset({"agent": {"rayToken": {"secretName": "ray", "key": "auth"}}})
    kubernetes_validate.validate(made, kubernetes_validate.latest_version(), strict=True)
    given = {v["name"]: v.get("value") for v in container(made)["env"]}
    mount = next(m for m in container(made)["volumeMounts"] if m["name"] == "ray-token")
    volume = next(v["secret"] for v in pod_spec(made)["volumes"] if v["name"] == "ray-token")
    (item,) = volume["items"]
    assert given["DISTCHECK_RAY_TOKEN_FILE"] == f"{mount['mountPath']}/{item['path']}"
    assert (volume["secretName"], item["key"], mount["readOnly"]) == ("ray", "auth", True)


def test_the_dashboard_is_the_one_of_the_plain_files(tmp_path: Path) -> None:
    values = {"grafana": {"dashboard": {"enabled": True, "namespace": "monitoring"}}}
    (made,) = (bare(o) for o in rendered(values) if o["kind"] == "ConfigMap")
    (plain,) = (bare(o) for o in kustomized(tmp_path, ["grafana"], []))
    assert made["metadata"].pop("namespace") == "monitoring"
    assert made == plain


def test_labels_and_interval_for_ones_own_prometheus_are_on_all_it_selects() -> None:
    own: Object = {"labels": {"release": "stack"}, "interval": "15s", **OPERATOR["prometheus"]}
    made = [
        o for o in rendered(SERVE | {"prometheus": own}) if o["apiVersion"].startswith("monitoring")
    ]
    assert {o["metadata"]["labels"]["release"] for o in made} == {"stack"}
    assert len(made) == 3
    ends = [
        e for o in made for k in ("podMetricsEndpoints", "endpoints") for e in o["spec"].get(k, ())
    ]
    assert [e["interval"] for e in ends] == ["15s", "15s"]


def test_an_affinity_of_ones_own_takes_the_place_of_ours() -> None:
    terms = [{"matchExpressions": [{"key": "gpu", "operator": "Exists"}]}]
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    own: Object = {"nodeAffinity": {required: {"nodeSelectorTerms": terms}}}
    assert pod_spec(daemonset({"agent": {"affinity": own}}))["affinity"] == own


def test_the_chart_is_of_this_version() -> None:
    (chart,) = yaml.safe_load_all((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    assert container(daemonset({}))["image"] == f"ghcr.io/distcheck/distcheck:{__version__}"


def test_its_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert known(schema) - {"global"} == given(values)


FREE = ("resources", "nodeSelector", "labels")
"""Values whose fields are the user's."""


def known(schema: Object, front: str = "") -> set[str]:
    found = set()
    for name, one in schema.get("properties", {}).items():
        assert (
            "$ref" in one
            or one.get("type") != "object"
            or (one.get("additionalProperties") is False or name == "global")
        )
        deeper = known(one, f"{front}{name}.") if name != "extraEnv" else set()
        found |= deeper or {f"{front}{name}"}
    return found


def given(values: Object, front: str = "") -> set[str]:
    found = set()
    for name, one in values.items():
        whole = not isinstance(one, dict) or name in FREE or not one
        found |= {f"{front}{name}"} if whole else given(one, f"{front}{name}.")
    return found


def test_serve_leaves_out_the_checks_that_values_name() -> None:
    own = {"enabled": True, "skip": ["NCCL005", "NET004"], "require": ["NCCL003"]}
    serve = next(o for o in rendered({"serve": own}) if o["metadata"]["name"] == "distcheck-serve"
                 and o["kind"] == "Deployment")  # fmt: skip
    assert container(serve)["args"][-2:] == ["--skip=NCCL005,NET004", "--require=NCCL003"]
