"""A process that takes what it can of a tenant's limit, says how much, and then waits to be killed.

python -m tests.component.tenancy.lease_process URL RESOURCE ATTEMPTS THREADS
"""

from __future__ import annotations

import signal
import sys
from concurrent.futures import ThreadPoolExecutor

from aiplatform.core.clock import SystemClock
from aiplatform.core.errors import RateLimitedError
from aiplatform.storage.database import Database
from aiplatform.tenancy.leases import Leases
from aiplatform.tenancy.limits import Resource

HOLD_S = 2.0


def main(url: str, resource: str, attempts: str, threads: str) -> None:
    """Take, print how many were had, and wait."""
    database = Database(url)
    leases = Leases(database, SystemClock(), hold_s=HOLD_S)

    def take(_: int) -> bool:
        try:
            leases.take("acme", Resource(resource), 1)
        except RateLimitedError:
            return False
        return True

    with ThreadPoolExecutor(int(threads)) as pool:
        had = sum(pool.map(take, range(int(attempts))))
    sys.stdout.write(f"{had}\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
