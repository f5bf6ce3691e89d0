"""Which nodes pods are held to, or kept from, by what their templates say."""

from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

HOST = "kubernetes.io/hostname"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def node_of(template: Template) -> str:
    """The one node that its pods are held to by name; empty where there is none."""
    return template.spec.text("nodeName") or template.spec.text("nodeSelector", HOST)


def keep_apart(one: Template, other: Template) -> bool:
    """Whether no pod of one may be on a node with a pod of the other."""
    nodes = [node_of(one), node_of(other)]
    return keeps_off(one, other) or (all(nodes) and nodes[0] != nodes[1])


def keeps_off(one: Template, other: Template) -> bool:
    """Whether its anti-affinity keeps the other's pods from its nodes; of itself, all but one."""
    terms = one.spec.each("affinity", "podAntiAffinity", REQUIRED)
    return any(
        t.text("topologyKey") == HOST and is_of_own_namespace(t) and selects(t, other)
        for t in terms
    )


def is_of_own_namespace(term: Place) -> bool:
    """Whether a term is about pods of the template's own namespace alone."""
    return not term.at("namespaces") and not term.at("namespaceSelector")


def selects(term: Place, template: Template) -> bool:
    """Whether a term surely chooses the template's pods, by labels that are all written."""
    chosen = term.at("labelSelector")
    labels = dict(chosen.fields("matchLabels"))
    plain = bool(labels) and not chosen.at("matchExpressions")
    return plain and all(template.labels.get(k) == p.value for k, p in labels.items())


def unattached(claim: Place) -> str:
    """Why several nodes may mount a ReadWriteOnce claim; empty where its class tells of none."""
    if _SHARED.search(claim.text("spec", "storageClassName")):
        return "whether its storage class keeps to that: network file systems need no attaching"
    return ""


_SHARED = pattern(
    r"(?i)nfs|efs|filestore|lustre|cephfs|azurefile|gpfs|scale|weka|vast|beegfs|juice|gcs|s3|blob"
    r"|gluster"
)
