"""Which addresses an agent may be asked to connect to: those that a pod can have."""

import ipaddress
import socket
from collections.abc import Collection

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("fd20:ce::254", "168.63.129.16", "100.100.100.200"),
    )
)
"""Of Google Cloud, Azure and Alibaba Cloud; 169.254.169.254 is link-local."""
_AWS = ipaddress.IPv6Network("fd00:ec2::/32")
"""Services of the host itself: metadata at ::254, EKS Pod Identity's credentials at ::23."""
_LAST_FOUR = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96")))
"""NAT64 and IPv4-compatible addresses: the last four bytes are those of an IPv4 address."""
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def why_not(address: str) -> str | None:
    """The reason why no connection to `address` is made; None for one that a pod can have.

    A name is refused as it may be resolved to anything; link-local addresses as a cloud's
    metadata service answers there.
    """
    try:
        ip: Ip = ipaddress.ip_address(address)
    except ValueError:
        return f"{address!r} is not an IP address"
    ip = _inner(ip)
    if ip.is_link_local or ip in _METADATA or (ip.version == 6 and ip in _AWS):
        return f"{address} is link-local, or a metadata service's"
    if ip.is_multicast or ip.is_unspecified or "%" in address or _beyond(ip):
        return f"{address} is not an address of one host"
    return None


def why_no_peer(address: str, barred: Collection[str]) -> str | None:
    """As `why_not`, and for the `barred` addresses of the Kubernetes API."""
    refused = why_not(address)
    if refused is None and _same(address) in map(_same, barred):
        return f"{address} is the Kubernetes API, which is no pod of a group"
    return refused


def _same(address: str) -> str:
    """One way of writing an address, also of an IPv4 one as an IPv6 one; others stay."""
    try:
        return str(_inner(ipaddress.ip_address(address)))
    except ValueError:
        return address


def too_far(address: str, own: str) -> str | None:
    """Why a pod with the address `own` has no pod of its group at `address`, if so.

    Pods have private addresses, or, where nodes and pods have public ones, such as are near
    each other (the first 12 bits of IPv4, 48 of IPv6).
    """
    ip, here = (_inner(ipaddress.ip_address(a)) for a in (address, own))
    if ip.is_loopback:
        return f"{address} is the pod itself"
    bits = 20 if ip.version == 4 else 80
    near = ip.version == here.version and int(ip) >> bits == int(here) >> bits
    if ip.is_global and not near:
        return f"{address} is a public address, and not near {own}"
    return None


def too_far_here(address: str, *, shared: bool) -> str | None:
    """As `too_far`, from the address that this thread's network namespace would go from.

    The kernel is asked for that, and nothing is sent. Where the namespace is `shared` with the
    pod that is looked at, its loopback is the pod's too.
    """
    if is_loopback(address):
        return None if shared else f"{address} is a loopback address: the pod itself, or the agent"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect((address, 9))
        except OSError:  # no route: told by the attempt itself, where it is a pod's address
            return too_far(address, "::")
        return too_far(address, asked.getsockname()[0])


def is_loopback(address: str) -> bool:
    """Whether it is a loopback address, in any way of writing one."""
    return _inner(ipaddress.ip_address(address)).is_loopback


def is_ip(text: str) -> bool:
    """Whether it is an IP address, of either family."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _beyond(ip: Ip) -> bool:
    """240.0.0.0/4 with the broadcast address, and 0.0.0.0/8, which is the host itself."""
    return ip.version == 4 and (ip.is_reserved or ip.packed[0] == 0)


def _inner(ip: Ip) -> Ip:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if ip.version == 4 or ip.is_loopback or ip.is_unspecified:
        return ip
    if any(ip in network for network in _LAST_FOUR):
        return ipaddress.IPv4Address(ip.packed[-4:])
    return ip.ipv4_mapped or ip.sixtofour or ip


def resolved(host: str) -> tuple[str, str | None]:
    """The address to connect to for `host`, a name or an IP, and why not, if it is refused.

    A name that has any refused address is refused; the caller connects to the address, as
    the name may be resolved to another one later.

    Raises:
        OSError: the name does not resolve.
        UnicodeError: it is no name.
    """
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    return addresses[0], next(filter(None, map(why_not, addresses)), None)
