"""A small, honest Kubernetes API server: enough for kubectl, the Python client and distcheck."""

from distcheck.lab.apiserver.access import Denial
from distcheck.lab.apiserver.fault import Fault
from distcheck.lab.apiserver.kubeconfig import write_kubeconfig
from distcheck.lab.apiserver.server import ApiServer

__all__ = ["ApiServer", "Denial", "Fault", "write_kubeconfig"]
