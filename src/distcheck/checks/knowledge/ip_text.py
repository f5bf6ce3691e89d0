"""IP addresses as text, of which IPv6 has many for one address."""

import ipaddress


def plain(address: str) -> str:
    """One way of writing an address (`FD00:0:0::2` is `fd00::2`); what is none stays as it is."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address
