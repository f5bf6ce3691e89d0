"""The agent's settings: frozen, read once from `DISTCHECK_*`."""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Struct

PREFIX = "DISTCHECK_"
_PORT = re.compile(r"[0-9]{1,5}\Z")


class SettingsError(ValueError):
    """A setting that is unknown or cannot be read; the message names it."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the agent looks, where it answers, and what it may do.

    Folders are as mounted in the agent's container. Addresses are `host:port`. `timeout`
    is seconds for one probe, `log_bytes` the most that is read of one pod's logs in one look.
    `state` is a folder of the agent's own, in which it keeps what it has read of logs across
    its restarts; it writes nowhere else, and nowhere where that is empty. `pod_resources` is
    the kubelet's socket that tells which devices it gave to which pod.
    `look_every` is seconds between the looks that the GPU and `/dev/shm` metrics show; 0 is
    never, and there are no such metrics then.
    `xid_watch` is whether it waits for GPUs' Xid events, for which it holds their devices open:
    a GPU that is held is not reset, nor its driver unloaded, so it is off unless asked for.
    `ray_token_file` has the token of Ray clusters that ask for one (`RAY_AUTH_MODE=token`). It
    goes to the head of any group that is asked about, and only where that head asks for it.
    `port_probes` lets it connect from inside the pods' network namespaces, and listen there
    for some seconds, which needs SYS_ADMIN: off unless the deployment grants it. `api_server`
    is an address that it then never connects to; Kubernetes tells it to every container.
    `dns_port` is where the pods' name servers listen: 53 everywhere but in a lab, where nothing
    may listen there.
    """

    node: str = ""
    host_proc: str = "/proc"
    host_sys: str = "/sys"
    pod_logs: str = "/var/log/pods"
    listen: str = "127.0.0.1:9411"
    metrics: str = "0.0.0.0:9410"
    timeout: float = 5.0
    log_bytes: int = 512 * 1024 * 1024
    port_probes: bool = False
    state: str = ""
    look_every: float = 60.0
    dns_port: int = 53
    pod_resources: str = "/var/lib/kubelet/pod-resources/kubelet.sock"
    ray_token_file: str = ""
    xid_watch: bool = False
    api_server: str = ""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from `DISTCHECK_HOST_PROC=...` and the like.

    Raises:
        SettingsError: an unknown `DISTCHECK_*` name, or a value of a wrong form.
    """
    given = {
        k.removeprefix(PREFIX).lower(): v
        for k, v in environ.items()
        if k.startswith(PREFIX) and not k.startswith(f"{PREFIX}LAB")
    }
    given.setdefault("api_server", environ.get("KUBERNETES_SERVICE_HOST", ""))
    try:
        return msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{PREFIX}*: {error}") from error


def split_address(address: str) -> tuple[str, int]:
    """`host:port` in two.

    Raises:
        SettingsError: no port, or a port that is no number below 65536.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not _PORT.match(port) or int(port) > 65535:
        raise SettingsError(f"{address!r} is not like 127.0.0.1:9411")
    return host.strip("[]"), int(port)
