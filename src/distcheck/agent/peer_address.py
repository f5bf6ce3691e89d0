"""Which addresses an agent may be asked to connect to: those that a pod can have."""

import ipaddress

_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254")))
"""Of AWS and of Google Cloud; the one of IPv4, 169.254.169.254, is link-local."""
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
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_link_local or ip in _METADATA:
        return f"{address} is link-local, or a metadata service's"
    if ip.is_multicast or ip.is_unspecified or "%" in address or _beyond(ip):
        return f"{address} is not an address of one host"
    return None


def _beyond(ip: Ip) -> bool:
    """240.0.0.0/4 with the broadcast address, and 0.0.0.0/8, which is the host itself."""
    return ip.version == 4 and (ip.is_reserved or ip.packed[0] == 0)


def why_not_host(host: str) -> str | None:
    """As `why_not`, where a name is allowed as well."""
    is_name = ":" not in host and not host.replace(".", "").isdigit()
    return None if is_name else why_not(host)
