"""What `deploy/serve/` starts is what `distcheck serve` is."""

import subprocess
import sys
from typing import Any

from distcheck import __version__
from distcheck.agent.cli.serve import LISTEN
from distcheck.agent.settings import split_address
from tests.deploy.manifests import DEPLOY, documents

(DEPLOYMENT,) = documents(DEPLOY / "serve" / "deployment.yaml")
(SERVICE,) = documents(DEPLOY / "serve" / "service.yaml")
SPEC: dict[str, Any] = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = SPEC["containers"]


def test_its_options_are_options_of_the_command() -> None:
    words = [*CONTAINER["command"][1:], *CONTAINER["args"], "--kubeconfig=/nowhere"]
    done = subprocess.run(
        [sys.executable, "-m", "distcheck", *words], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert b"kubeconfig /nowhere" in done.stderr


def test_its_port_is_the_one_that_it_listens_on_by_itself() -> None:
    (port,) = CONTAINER["ports"]
    assert f"--listen={LISTEN}" in CONTAINER["args"]
    assert port["containerPort"] == split_address(LISTEN)[1]
    assert [p["targetPort"] for p in SERVICE["spec"]["ports"]] == [port["name"]]


def test_it_is_the_one_pod_that_gets_the_token_of_its_account() -> None:
    accounts = [
        d for d in documents(DEPLOY / "serve" / "rbac.yaml") if d["kind"] == "ServiceAccount"
    ]
    assert [a["metadata"]["name"] for a in accounts] == [SPEC["serviceAccountName"]]
    assert SPEC["automountServiceAccountToken"] is True
    assert DEPLOYMENT["spec"]["replicas"] == 1


def test_it_runs_as_nobody_with_no_right_on_the_node() -> None:
    assert SPEC["securityContext"]["runAsNonRoot"] is True
    assert CONTAINER["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"] is True
    assert [list(v) for v in SPEC["volumes"]] == [["name", "emptyDir"]]
    assert "hostPID" not in SPEC
    assert CONTAINER["image"].endswith(f":{__version__}")


def test_the_service_leads_to_it() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert SERVICE["spec"]["selector"].items() <= labels.items()
