"""The names that a pod's processes meet the others by, looked up as the pod itself would."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from distcheck.agent.joined import Joined
from distcheck.agent.peer_address import is_ip
from distcheck.agent.probes import names
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.names import Asking, Wanted
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Task
from distcheck.agent.rendezvous_names import by_commands, by_environment, meeting_names
from distcheck.agent.resolv_conf import read_resolver
from distcheck.agent.rights import ENTERING, why_refused
from distcheck.agent.settings import Settings
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.rendezvous import NameLookup, NameLookups

_MAX_FILE = 64 * 1024
_MAX_TASKS = 64


class NamedPod(Struct, frozen=True):
    """A pod's name, its processes, the one whose container counts, and its variables."""

    name: str
    tasks: Sequence[Task]
    main: Task
    environ: Mapping[str, str]


def names_look(settings: Settings, pod: NamedPod, now: str) -> NameLookups | Missing:
    """Every name that the pod's own command lines and variables name, and no other one.

    An address needs no look-up, and is seen where names may not be looked up.

    Raises:
        ProbeError: names may not be looked up here, or the pod's namespace not be entered.
    """
    argvs = [t.argv for t in pod.tasks[:_MAX_TASKS] if not t.is_sandbox]
    wanted = meeting_names((*by_commands(argvs, pod.environ), *by_environment(pod.environ)))
    if not wanted:
        return Missing(f"no command line or variable in {pod.name} names another pod to join")
    fixed = [_fixed(one) for one in wanted if is_ip(one.host)]
    asked = [Wanted(one.host, one.way) for one in wanted if not is_ip(one.host)]
    if not asked:
        return NameLookups(tuple(fixed), f"command lines of {pod.name}", now)
    if not settings.port_probes:
        why = f"port probes are switched off on {settings.node}"
        raise ProbeError(f"{asked[0].name} was not looked up for {pod.name}: {why}")
    return _looked_up(settings, pod, now, fixed, asked)


def _fixed(one: Joined) -> NameLookup:
    return NameLookup(one.host, one.way, "resolved", (one.host,), detail="an address")


def _looked_up(
    settings: Settings, pod: NamedPod, now: str, fixed: Sequence[NameLookup], asked: list[Wanted]
) -> NameLookups:
    container = Container(settings.host_proc, pod.main.pid)
    resolver = read_resolver(_text(container, "/etc/resolv.conf"))
    asking = Asking(resolver, _text(container, "/etc/hosts"), settings.dns_port)
    path = Path(settings.host_proc) / str(pod.main.pid) / "ns" / "net"
    try:
        found = names.look(path, asking, asked)
    except OSError as error:
        refused = why_refused(error, "names as pods resolve them", ENTERING)
        raise ProbeError(refused or str(error)) from error
    where = f"{pod.name}: network namespace of pid {pod.main.pid}"
    return NameLookups((*fixed, *found), where, now, resolver.servers, resolver.search)


def _text(container: Container, path: str) -> str:
    """A file of the container; without `resolv.conf` a resolver asks nobody, as here."""
    try:
        return container.read(path, _MAX_FILE).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
