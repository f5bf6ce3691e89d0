"""Overlays and components build, and make what the plain files and `kubectl patch` make."""

from pathlib import Path

import kubernetes_validate
import pytest
import yaml  # type: ignore[import-untyped]

from tests.deploy.manifests import (
    AGENT,
    DEPLOY,
    OVERLAYS,
    PATCHES,
    Object,
    built,
    daemonset,
    documents,
    kubectl,
    patched,
)


def keyed(made: tuple[Object, ...] | list[Object]) -> dict[tuple[str, str], Object]:
    """Objects by kind and name, which are unique."""
    found = {(o["kind"], o["metadata"]["name"]): o for o in made}
    assert len(found) == len(made)
    return found


def of_component(folder: Path, at: Path) -> Object:
    """The DaemonSet with one component over the base."""
    (at / "agent").symlink_to(DEPLOY / "agent")
    (at / "component").symlink_to(folder)
    text = yaml.safe_dump({"resources": ["agent"], "components": ["component"]})
    (at / "kustomization.yaml").write_text(text)
    made = yaml.safe_load_all(kubectl("kustomize", str(at)))
    return next(o for o in made if o["kind"] == "DaemonSet")


def test_the_bases_are_the_files_that_kubectl_takes() -> None:
    assert keyed(built(DEPLOY)) == keyed(documents(AGENT))
    both = [*documents(AGENT), *documents(DEPLOY / "serve.yaml")]
    assert keyed(built(DEPLOY / "overlays" / "serve")) == keyed(both)


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda p: p.name)
def test_every_overlay_builds_valid_objects(folder: Path) -> None:
    for one in built(folder):
        if not one["apiVersion"].startswith("monitoring.coreos.com/"):
            kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    assert f"kubectl apply -k deploy/overlays/{folder.name}" in (
        (folder / "kustomization.yaml").read_text()
    )


@pytest.mark.parametrize("patch", PATCHES, ids=lambda p: p.parent.name)
def test_a_component_and_kubectl_patch_make_the_same(patch: Path, tmp_path: Path) -> None:
    made = of_component(patch.parent, tmp_path)
    assert settled(made) == settled(patched(patch))
    assert made != daemonset()


def settled(made: Object) -> Object:
    """The order of variables, and an empty list of capabilities, mean nothing."""
    copy = yaml.safe_load(yaml.safe_dump(made))
    (one,) = copy["spec"]["template"]["spec"]["containers"]
    one["env"].sort(key=lambda v: v["name"])
    rights = one["securityContext"]["capabilities"]
    rights["add"] = rights.get("add") or []
    found: Object = copy
    return found


def test_every_component_of_tiers_and_options_has_its_patch() -> None:
    folders = [p for part in ("tiers", "options") for p in (DEPLOY / part).iterdir()]
    for folder in folders:
        (text,) = documents(folder / "kustomization.yaml")
        assert text["kind"] == "Component"
