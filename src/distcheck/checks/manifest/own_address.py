"""Variables and commands of a script that are the pod's own address."""

import re
from itertools import islice

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.script_names import sources
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]", "0.0.0.0")  # noqa: S104 - as told


def is_own_host(template: Template, container: Container, host: str) -> bool:
    """Whether `host` of an address, as it is written, is each pod itself.

    On the host network a head on the same node has the same address.
    """
    if host in LOOPBACK:
        return True
    if template.host_network:
        return False
    return bool(_HOSTNAME.match(host) or (_NAME.match(host) and is_pod_ip(container, host)))


def is_pod_ip(container: Container, word: str) -> str:
    """The variable at the start of `word` that is, or copies, `status.podIP`; empty if none is."""
    found = _VARIABLE.match(word)
    source = _source(container, found[1]) if found else ""
    variable = container.variable(source)
    field = variable.place.text("valueFrom", "fieldRef", "fieldPath") if variable else ""
    return found[1] if found and field.startswith("status.podIP") else ""


def _source(engine: Container, name: str) -> str:
    """The variable that `name` is a copy of, or itself; empty where a script may set it anew."""
    every = "\n".join(t.text for t in engine.texts)
    if sources(every):
        return ""
    for _ in range(_COPIES):
        named = list(islice(re.finditer(_SET.format(re.escape(name)), every), _COPIES))
        if not named:
            return name
        copied = _COPY.match(every, named[0].end())
        line = every[: named[0].start()].rpartition("\n")[2].strip()
        inner = _BRANCH.search(every, 0, named[0].start()) or engine.variable(name)
        if len(named) > 1 or copied is None or line not in ("", "export") or inner:
            return ""
        name = copied[3]
    return ""


_COPIES = 4
_SET = (
    r"(?<![\w$])(?<!\$\{{)(?:(?:read|for|printf\s+-v|mapfile|readarray|unset|getopts|select)\b"
    r"[^\n;&|]{{0,80}}?(?<![\w$])(?<!\$\{{){0}\b|{0}(?=\+?=))"
)
"""Where a shell gives a name another value."""
_COPY = pattern(r"""=("?)\$(\{)?(\w+)(?(2)\})\1(?=[\s;]|\Z)""")
_BRANCH = pattern(r"\b(?:if|case|for|while|until)\b|\{\s|\|\||&&")
_VARIABLE = pattern(r"\$[({]?(\w+)[)}]?(?=:|\Z)")
_NAME = pattern(r"\$(?:\w+|\(\w+\)|\{\w+\})\Z")
_HOSTNAME = pattern(r"(?:\$\( *|`)hostname +(?:-i|-I|--ip-address)(?: *\)|`)\Z")
