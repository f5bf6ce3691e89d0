"""What every manifest has, whoever applies it, and what the documents say of it."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.charts import is_test, kustomized, rendered
from tests.deploy.manifests import DEPLOY, OVERLAYS, Object, built, documents

ROOT = DEPLOY.parent
PAGE = (ROOT / "docs" / "deploy.md").read_text()
EVERYTHING: Object = {
    "serve": {"enabled": True},
    "networkPolicy": {"enabled": True},
    "grafana": {"dashboard": {"enabled": True}},
    "prometheus": {"podMonitor": {"enabled": True}, "rules": {"enabled": True}},
}
TEMPLATES = ("DaemonSet", "Deployment")


def shipped() -> list[Object]:
    """Every object of every way to deploy."""
    plain = [o for p in sorted(DEPLOY.glob("rbac-*.yaml")) for o in documents(p)]
    return [*(o for p in OVERLAYS for o in built(p)), *plain, *rendered(EVERYTHING)]


def pods() -> list[Object]:
    """The specs of pods among them."""
    found = [o["spec"]["template"]["spec"] for o in shipped() if o["kind"] in TEMPLATES]
    return [*found, *(o["spec"] for o in shipped() if o["kind"] == "Pod")]


def test_every_object_names_what_it_belongs_to() -> None:
    for one in shipped():
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"].startswith("distcheck")
        assert labels["app.kubernetes.io/part-of"] == "distcheck"


def test_every_container_has_a_pinned_image_and_its_share_of_a_node() -> None:
    for one in (c for p in pods() for c in p["containers"]):
        assert re.search(r":[0-9]+\.[0-9]+\.[0-9]+$|@sha256:", one["image"])
        assert one["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in one["resources"]["limits"]


def test_no_budget_can_block_a_drain() -> None:
    kinds = {o["kind"] for o in shipped()}
    assert {"DaemonSet", "Deployment"} <= kinds
    assert "PodDisruptionBudget" not in kinds


def test_serve_and_the_test_of_the_chart_meet_the_restricted_standard() -> None:
    """Pod Security Standards, restricted: what a pod has to set, and what it may not have."""
    mine = [p for p in pods() if not p.get("hostPID")]
    assert len(mine) >= 3
    for spec in mine:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostIPC", "hostPID"} & spec.keys()
        assert all(v.keys() <= {"name", "emptyDir"} for v in spec.get("volumes", ()))
        for one in spec["containers"]:
            rights = one["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}


def test_the_test_of_the_chart_is_made_by_helm_test_alone() -> None:
    hooks = [o["metadata"]["name"] for o in rendered(EVERYTHING) if is_test(o)]
    assert hooks == ["distcheck-test"]
    assert not any(is_test(o) for o in rendered({}))


@pytest.mark.parametrize("listed", [True, False])
def test_helm_test_passes_where_serve_lists_groups_and_fails_where_it_cannot(
    listed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    (pod,) = (o for o in rendered(EVERYTHING) if is_test(o))
    (script,) = pod["spec"]["containers"][0]["args"]
    pages = {
        "/readyz": b"ok",
        "/v1/verdicts": b"[all of them]",
        "/metrics": b"distcheck_discovery_success %.1f" % listed,
    }
    with answering(pages) as url:
        mine = script.replace("http://distcheck-serve.distcheck.svc:9412", url)
        assert mine != script
        if listed:
            exec(mine, {})
        else:
            with pytest.raises(AssertionError, match="cannot be listed"):
                exec(mine, {})
    assert capsys.readouterr().out == "[all of them]\n"


@contextmanager
def answering(pages: dict[str, bytes]) -> Iterator[str]:
    """The address of a server with these pages and no other."""

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(pages[self.path])

        def log_message(self, *_args: object) -> None:
            """Nothing to say."""

    with HTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("page", ["README.md", *sorted(
    str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md")
)])  # fmt: skip
def test_files_of_deploy_that_a_page_names_are_there(page: str) -> None:
    """And not a Deployment of that name, as `kubectl` writes it."""
    named = re.findall(
        r"(?<![\w/])deploy/(?!distcheck-)[a-z0-9/_.-]*[a-z0-9_]", (ROOT / page).read_text()
    )
    assert [n for n in named if not (ROOT / n).exists()] == []


def test_the_overlay_of_the_page_builds_with_what_it_names(tmp_path: Path) -> None:
    text = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert text is not None
    written = yaml.safe_load(text[1])
    local = {
        part: [re.sub(r"^.*//deploy/|\?ref=.*$", "", u) for u in written[part]]
        for part in ("resources", "components")
    }
    images = {"images": written["images"]}
    made = kustomized(tmp_path, local["resources"], local["components"], images)
    used = {
        c["image"]
        for o in made
        if o["kind"] in TEMPLATES
        for c in o["spec"]["template"]["spec"]["containers"]
    }
    assert {i.partition(":")[0] for i in used} == {"registry.example.com/distcheck"}
    assert sum(o["kind"] == "NetworkPolicy" for o in made) == 2


def test_every_component_is_in_the_table_of_the_page() -> None:
    folders = [p.parent for p in DEPLOY.glob("*/*/kustomization.yaml")]
    names = [str(p.relative_to(ROOT)) for p in folders if p.parent.name != "overlays"]
    assert names
    assert [n for n in names if f"`{n}`" not in PAGE] == []
