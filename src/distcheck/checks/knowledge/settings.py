"""How NCCL reads the values of its settings (src/misc/param.cc, src/misc/socket.cc)."""

import re

_NUMBER = re.compile(r"\s{0,4}[+-]?(?:0[xX](?P<hex>[0-9a-fA-F]{1,16})|(?P<plain>\d{1,19}))")


def is_on(value: str) -> bool:
    """Whether NCCL takes `value` for another number than 0; a word is 0 (strtoll)."""
    found = _NUMBER.match(value)
    digits = "" if found is None else found["hex"] or found["plain"]
    return digits.strip("0") != ""


def is_zero(value: str) -> bool:
    """Whether `value` is the number 0; words, which may be a distance such as SYS, are none."""
    return _NUMBER.match(value) is not None and not is_on(value)


def names_device(spec: str, device: str) -> bool:
    """Whether `spec` of NCCL_IB_HCA lets `device` through.

    A list of prefixes, `=` for whole names, `^` to leave them out; `:port` is not looked at.
    """
    negative = spec.startswith("^")
    rest = spec[negative:]
    exact = rest.startswith("=")
    names = [part.partition(":")[0] for part in rest[exact:].split(",")[:64] if part]
    listed = device in names if exact else any(device.startswith(n) for n in names)
    return listed is not negative
