"""What starts Ray in a pod or joins it, also by scripts that are known by their words alone."""

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern


def has_ray(template: Template) -> bool:
    """Whether anything in its pods starts Ray, or may join it."""
    return any(
        one.ray or one.joins_ray or one.variable("RAY_ADDRESS") or _RAY.search(one.script)
        for one in template.every
    )


_RAY = pattern(
    r"\bray[\s\"',]+(?:start|symmetric-run)\b|\bray\.init|ray_(?:init|start|address|cluster)"
    r"|RAY_ADDRESS|multi-node-serving|run_cluster|start[-_]ray|ray[-_]start"
)


def is_head(container: Container) -> bool:
    """Whether it starts a head: by Ray's command, or by vLLM's script or one like it."""
    if container.heads_ray:
        return True
    scripts = [c.words for c in container.commands]
    return any({"leader", "head"} & {*w} for w in scripts if any(_SCRIPT.search(x) for x in w))


def may_join(container: Container) -> bool:
    """Whether its script has a branch in which it joins another pod."""
    return bool(container.joins) or _JOINS.search(container.script) is not None


_OWN = r"(?![\"'\\]{0,2}(?:auto|local\b|localhost|127\.))"
_JOINS = pattern(
    rf"(?<![\w-])(?:--)?(?:ray[-_])?address(?:[=\s]{_OWN}|[,\"'])|RAY_ADDRESS=?{_OWN}| worker"
)
"""Not `--node-ip-address`, which is a node's own, nor the Ray of the same pod (`auto`)."""
_SCRIPT = pattern(r"(?:multi-node-serving|ray[^/]{0,60})\.sh\Z", near=(".sh",))
