"""The key of the cluster's own principal: a file that is written anew long before the key in it ends."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from aiplatform.gateway.services import TRUSTED_TENANT
from aiplatform.runtime.state import write_private
from aiplatform.tenancy.service import Tenancy

PRINCIPAL: Final = "cluster"
RENEW_AFTER_S: Final = 8 * 3600.0


def refresh_service_key(tenancy: Tenancy, file: Path) -> bool:
    """Make a new key where there is none, or the one in the file is old or opens nothing; whether one was made.

    Processes that use it read the file again, so nobody notices.
    """
    try:
        is_young = time.time() - file.stat().st_mtime < RENEW_AFTER_S
        known = file.read_text(encoding="utf-8").strip()
    except OSError:
        is_young, known = False, ""
    if is_young and tenancy.authenticator.is_valid(known, TRUSTED_TENANT):
        return False
    write_private(file, tenancy.keys.create_for_service(TRUSTED_TENANT, PRINCIPAL).text)
    return True
