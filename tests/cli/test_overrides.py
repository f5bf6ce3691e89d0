"""What the command line knows better than the evidence."""

import subprocess
import sys

from tests.evidence_builder import healthy

from distcheck.agent.cli.overrides import with_expected


def test_judging_a_file_brings_no_http_and_no_tls() -> None:
    code = "import sys, distcheck.agent.cli.overrides\nprint({'http', 'ssl'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.strip() == b"set()"


def test_what_is_expected_counts_and_says_where_it_comes_from() -> None:
    intent = with_expected(healthy(), {"tp": 8}).intent
    assert (intent.tp, intent.sources["tp"]) == (8, "--expect")


def test_nothing_expected_leaves_the_evidence_as_it_is() -> None:
    evidence = healthy()
    assert with_expected(evidence, {}) is evidence
