"""Starts the rounds and the answers, and ends them on a signal."""

import signal
import threading
from types import FrameType

from distcheck.agent.serve.journal import note
from distcheck.agent.serve.rounds import Rounds
from distcheck.agent.serve.web import Web


def run_serve(address: tuple[str, int], rounds: Rounds, aside: str = "") -> None:
    """Answer at `address` until SIGTERM or SIGINT; a round that runs then is left behind.

    `aside` is told at the start, as the checks that are left out.

    Raises:
        OSError: the address cannot be listened on.
    """

    def end(_signal: int, _frame: FrameType | None) -> None:
        rounds.over.set()

    with Web(address, rounds) as web:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        threading.Thread(target=web.serve_forever, args=(0.1,), daemon=True).start()
        note(f"answers at {address[0]}:{address[1]}, a round every {rounds.interval:g} s{aside}")
        rounds.start()
        rounds.over.wait()
        web.shutdown()
