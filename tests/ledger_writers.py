"""Programs that append to a ledger, for the tests that run several of them, or end them at once."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from gnomon.lab.store import Store
from gnomon.laws.ledger.ledger import Ledger
from gnomon.laws.ledger.registering import register
from toy_challenge import by_hand


def write(location: str, writer: int, each: int) -> None:
    """Register ``each`` predictions one by one, and note the number of each once it is safe."""
    with Store.open(location) as store:
        ledger = Ledger(Path(location) / "ledger.jsonl", store)
        for index in range(each):
            (entry,) = register(ledger, [by_hand(f"{writer}.{index}", writer=writer, index=index)]).entries
            os.write(1, f"{entry.number} {writer}.{index}\n".encode())


def many(location: str, writers: str, each: str) -> None:
    """As `write`, in ``writers`` processes at once."""
    children = []
    for writer in range(int(writers)):
        child = os.fork()
        if child == 0:
            write(location, writer, int(each))
            os._exit(0)
        children.append(child)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


def torn(location: str, share: str) -> None:
    """Register one prediction, then be killed when ``share`` of the line of a second is written."""
    write(location, 0, 1)
    whole = os.write

    def die(handle: int, content: bytes) -> int:
        whole(handle, bytes(content)[: int(float(share) * len(content))])
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    os.write = die  # type: ignore[assignment]
    with Store.open(location) as store:
        register(Ledger(Path(location) / "ledger.jsonl", store), [by_hand("torn", index="torn")])


if __name__ == "__main__":
    {"many": many, "torn": torn}[sys.argv[1]](*sys.argv[2:])
