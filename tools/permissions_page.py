"""The page of rights, made of the manifests: each rule with the comment that stands above it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

Object = dict[str, Any]

DEPLOY = Path(__file__).parents[1] / "deploy"
PARTS = {
    "serve/rbac.yaml": "`distcheck serve`",
    "rbac-user.yaml": "A person or a pipeline: `distcheck verify`, `collect`",
    "rbac-gate.yaml": "A gate: a Job in the namespace of the group",
}
HEAD = """
What each part may do in the cluster, line by line, and why. No part reads Secrets, and none changes
an object. Tests run the code over every kind of serving group and hold this page to it: every right
here is used, and every request is granted, but for those named below.

| you want to | it needs |
|---|---|
| run the agents | nothing of the API; rights on their node: [the agent's tiers](agent.md#rights-in-three-tiers) |
| run `verify`, `collect`, `wait` yourself | `deploy/rbac-user.yaml`, unless you are an administrator |
| run a gate as a Job beside the group | `deploy/rbac-gate.yaml` |
| run `distcheck serve` | what `deploy/serve.yaml` and the Helm chart bring with them |
| ask `serve` for a verdict, or scrape | nothing of the API |

## The agents

No right at all: their ServiceAccount is bound to no role, and no token is mounted, in any tier. What
they may do on their node is in [the agent's tiers](agent.md#rights-in-three-tiers).

## What everybody may ask

Which API groups there are (`/apis`, `system:discovery`), and what oneself may do
(SelfSubjectRulesReview and SelfSubjectAccessReview, `system:basic-user`): Kubernetes grants both to
whoever is logged in. `verify` asks the second first, and says what it will not see.
"""  # noqa: E501
TAIL = """
## Asked for and not granted

| who | what | why not |
|---|---|---|
| `serve`, the gate | port-forward to the group's pods | asked for where an agent does not answer, for Ray's GCS and the engine. It opens every port of every pod of the namespace; run agents instead |
| the gate | policies that hold for all namespaces | a right in the whole cluster. NET003 says what it could not list. `kubectl create clusterrolebinding distcheck-gate --clusterrole=distcheck-user-cluster --serviceaccount=llm:distcheck-gate` gives it |
| `serve` of some namespaces, the gate | pods of all namespaces | agents are sought everywhere, and where that is refused in `distcheck` |

`serve` for a few namespaces instead of all: `deploy/options/serve-namespaces`, or `serve.namespaces` in
the Helm chart. It then holds the rights of its first table in those namespaces alone, and may list the
pods of `distcheck`.
"""  # noqa: E501 - rows of a table


def permissions_page(made: str) -> str:
    """docs/permissions.md."""
    parts = "\n".join(_part(DEPLOY / name, title) for name, title in PARTS.items())
    return f"# Permissions\n\n{made}\n{HEAD}\n{parts}{TAIL}"


def _part(path: Path, title: str) -> str:
    text = path.read_text()
    documents = text.split("---\n")
    objects = [yaml.safe_load(d) for d in documents]
    bindings = [o for o in objects if "roleRef" in o]
    tables = [
        _table(text, one, bindings)
        for text, one in zip(documents, objects, strict=True)
        if "rules" in one
    ]
    return f"## {title}\n\n`deploy/{path.relative_to(DEPLOY)}`\n\n" + "\n".join(tables)


def _table(text: str, role: Object, bindings: list[Object]) -> str:
    """One role: where it is bound, and its rules."""
    name, kind = role["metadata"]["name"], role["kind"]
    bound = [b for b in bindings if _binds(b, role)]
    places = sorted(b["metadata"].get("namespace", "") for b in bound)
    where = ", ".join(f"namespace `{p}`" if p else "the whole cluster" for p in places)
    rows = "".join(f"| {what} | {verbs} | {why} |\n" for what, verbs, why in _rows(text, role))
    return f"{kind} `{name}`, in {where}:\n\n| resource | verbs | why |\n|---|---|---|\n{rows}"


def _binds(binding: Object, role: Object) -> bool:
    """A Role is bound in its own namespace alone."""
    ref, meta = binding["roleRef"], role["metadata"]
    here = role["kind"] == "ClusterRole" or _space(binding) == _space(role)
    return (ref["kind"], ref["name"]) == (role["kind"], meta["name"]) and here


def _space(one: Object) -> str:
    return str(one["metadata"].get("namespace", ""))


def _rows(text: str, role: Object) -> Iterator[tuple[str, str, str]]:
    """Each rule, with the comment above it; one without has that of the rule before."""
    why = ""
    comments = re.findall(r"((?:^  #.*\n)*)^  - apiGroups:", text, re.MULTILINE)
    for rule, comment in zip(role["rules"], comments, strict=True):
        why = " ".join(re.findall(r"^  # (.*)$", comment, re.MULTILINE)) or why
        names = [
            f"`{r}.{g}`" if g else f"`{r}`" for g in rule["apiGroups"] for r in rule["resources"]
        ]
        yield ", ".join(names), ", ".join(rule["verbs"]), why
