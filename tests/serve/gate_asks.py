"""How Argo Rollouts and Flagger ask a `serve`, from the examples of `deploy/gate`."""

import json
import re
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from tests.deploy.gate_examples import example


def get(url: str, name: str) -> Any:
    """What the web metric of the example measures at `url`: its jsonPath of the answer.

    Argo marks anything but 2xx as Error (`metricproviders/webmetric`).
    """
    web = example(name)["spec"]["metrics"][0]["provider"]["web"]
    where = urlsplit(web["url"])
    field = re.fullmatch(r"\{\$\.(\w+)\}", web["jsonPath"])
    assert field is not None
    with urllib.request.urlopen(f"{url}{where.path}?{where.query}", timeout=60) as answer:
        return json.loads(answer.read())[field[1]]


def phase(result: Any) -> str:
    """What Argo makes of it: its conditions here are expressions of Python too."""
    metric = example("argo-rollouts-web")["spec"]["metrics"][0]
    failed, passed = (eval(metric[c], {}, {"result": result}) for c in (
        "failureCondition", "successCondition"))  # fmt: skip
    return "Failed" if failed else "Successful" if passed else "Inconclusive"


def post(url: str, name: str, workload: str) -> tuple[int, str]:
    """The status and the line that Flagger gets, for another workload than the example's."""
    hook = example(name)["spec"]["analysis"]["webhooks"][0]
    asked = {"name": "x", "namespace": "llm", "phase": "Progressing", "checksum": "85d557f47b"}
    asked |= {"metadata": hook["metadata"] | {"workload": workload}}
    where = url + urlsplit(hook["url"]).path
    try:
        request = urllib.request.Request(where, json.dumps(asked).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
