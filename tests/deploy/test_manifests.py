"""What `kubectl apply -f deploy/daemonset.yaml` makes: valid, and with no right too many."""

from pathlib import Path

import kubernetes_validate
import pytest
from msgspec import structs

from distcheck import __version__
from distcheck.agent.cluster import reach
from distcheck.agent.settings import PREFIX, Settings, read_settings, split_address
from tests.deploy.manifests import (
    AGENT,
    DEPLOY,
    OBJECTS,
    PATCHES,
    TIERS,
    container,
    daemonset,
    discovery,
    documents,
    environment,
    kubectl,
    of_tier,
    patched,
    pod_spec,
)

VERSIONS = ["1.31", "1.34", kubernetes_validate.latest_version()]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", OBJECTS, ids=lambda p: p.name)
def test_every_object_is_valid_to_the_last_field(path: Path, version: str) -> None:
    for one in documents(path):
        kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("path", PATCHES, ids=lambda p: p.parent.name)
def test_every_patch_makes_a_valid_daemonset(path: Path) -> None:
    kubernetes_validate.validate(patched(path), VERSIONS[-1], strict=True)


def test_a_field_that_does_not_exist_would_be_found() -> None:
    bent = daemonset()
    container(bent)["securityContext"]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(bent, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("path", OBJECTS, ids=lambda p: p.name)
def test_kubectl_takes_every_file(path: Path, tmp_path: Path) -> None:
    words = ("create", "--dry-run=client", "--validate=false", "-o", "name", "-f", str(path))
    with discovery() as server:
        cache = f"--cache-dir={tmp_path}"
        names = kubectl(*words, f"--server={server}", cache).split()
    assert [n.partition(".")[0].partition("/")[0] for n in names] == [
        one["kind"].lower() for one in documents(path)
    ]


def test_the_agent_has_no_token_and_no_role() -> None:
    account = next(d for d in documents(AGENT) if d["kind"] == "ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    spec = pod_spec(daemonset())
    assert spec["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == account["metadata"]["name"]
    bound = [
        (d["metadata"]["name"], s)
        for path in OBJECTS
        for d in documents(path)
        if d["kind"].endswith("Binding")
        for s in d["subjects"]
    ]
    assert not [b for b in bound if b[1]["name"] in (spec["serviceAccountName"], "default")]
    assert not any("projected" in v or "secret" in v for v in spec["volumes"])


def test_everything_is_mounted_read_only_but_the_state_folder() -> None:
    made = daemonset()
    rights = container(made)["securityContext"]
    assert rights["readOnlyRootFilesystem"] is True
    assert rights["privileged"] is False
    mounts = {m["name"]: m for m in container(made)["volumeMounts"]}
    writable = {m["mountPath"] for m in mounts.values() if m.get("readOnly") is not True}
    assert writable == {environment(made)["DISTCHECK_STATE"]}
    volumes = {v["name"]: v["hostPath"] for v in pod_spec(made)["volumes"]}
    assert mounts.keys() == volumes.keys()
    assert {v["path"] for v in volumes.values()} == {
        "/sys", "/var/log/pods", "/var/lib/kubelet/pod-resources", "/var/lib/distcheck",
    }  # fmt: skip
    made_here = {v["path"] for v in volumes.values() if v["type"] == "DirectoryOrCreate"}
    assert made_here == writable


def test_it_shares_process_numbers_with_the_node_and_nothing_else() -> None:
    spec = pod_spec(daemonset())
    assert (spec["hostPID"], spec["hostNetwork"], spec.get("hostIPC", False)) == (
        True,
        False,
        False,
    )
    assert "initContainers" not in spec


@pytest.mark.parametrize("tier", TIERS)
def test_settings_in_the_environment_are_settings_of_the_agent(tier: str) -> None:
    given = environment(of_tier(tier))
    ours = {name: value for name, value in given.items() if name.startswith(PREFIX)}
    known = {f"{PREFIX}{f.name.upper()}" for f in structs.fields(Settings)}
    assert ours.keys() <= known
    plain = {name: value for name, value in ours.items() if value is not None}
    settings = read_settings({**plain, "DISTCHECK_NODE": "gpu-a"})
    assert settings.port_probes is (tier == "port probes")
    field = next(v for v in container(of_tier(tier))["env"] if v["name"] == "DISTCHECK_NODE")
    assert field["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName"


def test_folders_that_the_agent_reads_are_where_they_are_mounted() -> None:
    made = daemonset()
    mounted = {m["mountPath"] for m in container(made)["volumeMounts"]}
    plain = {k: v for k, v in environment(made).items() if k.startswith(PREFIX) and v is not None}
    settings = read_settings(plain)
    folders = (v for k, v in structs.asdict(settings).items() if k != "host_proc")
    paths = [Path(v) for v in folders if isinstance(v, str) and v.startswith("/")]
    wanted = {str(p.parent if p.suffix == ".sock" else p) for p in paths}
    assert wanted == mounted
    assert settings.host_proc == "/proc"


def test_no_service_of_the_namespace_can_break_the_settings() -> None:
    """The kubelet would write DISTCHECK_SERVE_PORT and the like, which the agent refuses."""
    assert pod_spec(daemonset())["enableServiceLinks"] is False


def test_verify_finds_these_pods_and_their_door() -> None:
    made = daemonset()
    key, _, value = reach.AGENT_LABEL.partition("=")
    assert made["spec"]["template"]["metadata"]["labels"][key] == value
    assert made["spec"]["selector"]["matchLabels"] == {key: value}
    assert made["metadata"]["namespace"] == reach.AGENT_NAMESPACE
    assert split_address(Settings().listen) == ("127.0.0.1", reach.EVIDENCE_PORT)


def test_the_only_port_is_that_of_the_metrics() -> None:
    made = daemonset()
    (port,) = container(made)["ports"]
    assert port["containerPort"] == split_address(Settings().metrics)[1]
    notes = made["spec"]["template"]["metadata"]["annotations"]
    assert notes["prometheus.io/port"] == str(port["containerPort"])
    for probe in ("livenessProbe", "readinessProbe"):
        assert container(made)[probe]["httpGet"]["port"] == port["name"]


def test_the_namespace_allows_what_the_agent_needs_and_says_why() -> None:
    made = next(d for d in documents(AGENT) if d["kind"] == "Namespace")
    assert made["metadata"]["name"] == reach.AGENT_NAMESPACE
    assert made["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"


def test_it_takes_no_gpu_and_evicts_nobody() -> None:
    made = daemonset()
    resources = container(made)["resources"]
    assert {k for part in resources.values() for k in part} == {"cpu", "memory"}
    priority = next(d for d in documents(AGENT) if d["kind"] == "PriorityClass")
    assert priority["preemptionPolicy"] == "Never"
    assert pod_spec(made)["priorityClassName"] == priority["metadata"]["name"]
    assert environment(made)["NVIDIA_DRIVER_CAPABILITIES"] == "utility"


def test_the_image_is_of_this_version() -> None:
    image = container(daemonset())["image"]
    assert image == f"ghcr.io/distcheck/distcheck:{__version__}"


@pytest.mark.parametrize("path", PATCHES, ids=lambda p: p.parent.name)
def test_a_patch_names_how_it_is_applied_and_changes_the_agent_alone(path: Path) -> None:
    (one,) = documents(path)
    assert (one["kind"], one["metadata"]) == (
        "DaemonSet", {"name": "distcheck-agent", "namespace": reach.AGENT_NAMESPACE},
    )  # fmt: skip
    assert f"--patch-file deploy/{path.relative_to(DEPLOY)}" in path.read_text()
