"""What a container's resolver is told: servers, search list, `ndots`, and fixed addresses.

As glibc reads it (resolv.conf(5), hosts(5)); musl asks all servers at once, and takes a name
with `ndots` dots as whole, without the search list behind it.
"""

import ipaddress
import re

from msgspec import Struct

_MAX_SERVERS, _MAX_SEARCH, _MAX_NDOTS = 3, 32, 15
_LONGEST = 253
_NDOTS = re.compile(r"ndots:([0-9]{1,4})\Z")


class Resolver(Struct, frozen=True):
    """`servers` in order, `search` as written; a name with `ndots` dots is tried whole first."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1

    def names(self, name: str) -> tuple[str, ...]:
        """The full names that are asked for, in order; one with a dot at its end stays alone."""
        if name.endswith("."):
            return (name.rstrip("."),)
        longer = [f"{name}.{domain}" for domain in self.search]
        whole_first = name.count(".") >= self.ndots
        every = [name, *longer] if whole_first else [*longer, name]
        return tuple(one for one in every if len(one) <= _LONGEST)


def read_resolver(text: str) -> Resolver:
    """From `/etc/resolv.conf`; of several search lists the last one counts."""
    servers: list[str] = []
    search: tuple[str, ...] = ()
    ndots = 1
    for line in text.splitlines():
        words = line.split()
        key, values = (words[0], words[1:]) if words else ("", [])
        if key == "nameserver" and values and _is_ip(values[0]):
            servers.append(values[0])
        elif key in ("search", "domain") and values:
            search = tuple(v.rstrip(".") for v in values if v.strip("."))[:_MAX_SEARCH]
        elif key == "options":
            found = [m for v in values if (m := _NDOTS.match(v))]
            ndots = min(int(found[-1][1]), _MAX_NDOTS) if found else ndots
    return Resolver(tuple(dict.fromkeys(servers))[:_MAX_SERVERS], search, ndots)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def read_hosts(text: str, name: str) -> tuple[str, ...]:
    """The addresses that `/etc/hosts` gives to `name`."""
    wanted = name.rstrip(".").lower()
    found: dict[str, None] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if wanted in (w.lower() for w in words[1:]) and _is_ip(words[0]):
            found[words[0]] = None
    return tuple(found)
