"""The text of `ray status -v`, which Ray's autoscaler makes every five seconds.

Ray 2.9 to 2.60 print `Active:` with ` 1 node_<id>` for each node (KubeRay's autoscaler: names
of its groups, with counts), then a block `Node: <id>` with the usage of each. A node that is
DEAD vanishes from the first list and may stay among the blocks. One that GCS has just
registered has a block without any amount until its raylet reports (`OnNodeAdd` in GCS's
resource manager keeps no totals); a reported node always has its memory there.
"""

import re
from collections.abc import Mapping

from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.ray import RayNode

_MOST_LINES, _LONGEST = 20_000, 400
_ESCAPE = re.compile(r"\x1b\[[0-9;]{0,16}[A-Za-z]")
_ACTIVE = re.compile(r" {0,4}([0-9]{1,6}) (\S{1,200})\s*\Z")
_NODE_NAME = re.compile(r"node_([0-9a-f]{56})\Z")
_NODE = re.compile(r"Node: ([0-9a-f]{56})(?: \(.{0,200}\))?\s*\Z")
_AMOUNT = re.compile(r" {1,8}[0-9.]{1,20}[A-Za-z]{0,3}/[0-9.]{1,20}[A-Za-z]{0,3} [A-Za-z_]")
_GPU = re.compile(r" {0,8}([0-9]{1,9}(?:\.[0-9]{1,6})?)/([0-9]{1,9}(?:\.[0-9]{1,6})?) GPU\b")
_NONE_YET = "No cluster status"


def read_status(text: str, known: Mapping[str, str]) -> tuple[RayNode, ...] | Missing:
    """The nodes that the text lists; `known` is the IP of each node id that is known here.

    A raylet that runs here and that the text does not list is UNLISTED: it may be DEAD, or have
    joined since. Missing where the text names no node by its id, or has no amounts of one.
    """
    lines = [_ESCAPE.sub("", line[:_LONGEST]) for line in text.split("\n")[:_MOST_LINES]]
    if any(_NONE_YET in line for line in lines):
        return Missing("Ray has no report yet: it takes some seconds from its start")
    active, count = _active(lines)
    usage = _usage(lines)
    if not active and count:
        active = set(usage) if len(usage) == count else set()
    if not active:
        return Missing(f"it names no node by its id{f'; it counts {count}' if count else ''}")
    if unread := active - usage.keys():
        return Missing(f"it has no resources yet of {len(unread)} of its {len(active)} nodes")
    listed = [_row(i, "ALIVE", known, usage[i]) for i in sorted(active)]
    rest = [_row(i, "UNLISTED", known, (0.0, 0.0)) for i in sorted(known.keys() - active)]
    return (*listed, *rest)


def _row(node: str, state: str, known: Mapping[str, str], usage: tuple[float, float]) -> RayNode:
    used, total = usage
    free = max(0.0, total - used) if state == "ALIVE" else None
    return RayNode(node, known.get(node, ""), state, gpus=total, gpus_available=free)


def _active(lines: list[str]) -> tuple[set[str], int]:
    """The ids below `Active:`, and how many nodes are counted there in all."""
    found: set[str] = set()
    count, inside = 0, False
    for line in lines:
        if not line.startswith(" "):
            inside = line.startswith("Active:")
        elif inside and (told := _ACTIVE.match(line)):
            count += int(told[1])
            name = _NODE_NAME.match(told[2])
            found |= {name[1]} if name else set()
    return found, count


def _usage(lines: list[str]) -> dict[str, tuple[float, float]]:
    """GPUs in use and in all, by the node's id, of each node whose block has amounts."""
    found: dict[str, tuple[float, float]] = {}
    node = ""
    for line in lines:
        if not line.startswith(" "):
            block = _NODE.match(line)
            node = block[1] if block else ("" if line.strip() else node)
        elif node and (gpu := _GPU.match(line)):
            found[node] = (float(gpu[1]), float(gpu[2]))
        elif node and _AMOUNT.match(line):
            found.setdefault(node, (0.0, 0.0))
    return found
