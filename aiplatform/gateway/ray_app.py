"""The platform's Serve applications: what `import_path` names in Serve's configuration.

Nothing heavy is imported here: Serve imports this module once more to read the deployments, in a process that serves
nothing. The builders run in the replicas.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from ray import serve

from aiplatform.core.settings import load


def _services(application: str) -> Any:
    from aiplatform.gateway.logs import write_logs  # noqa: PLC0415 - in the replica alone
    from aiplatform.gateway.services import Services  # noqa: PLC0415 - in the replica alone

    settings = load().settings
    write_logs(settings.data_dir / "logs", application)
    logging.getLogger("aiplatform").info("starting", extra={"application": application, "pid": os.getpid()})
    return Services(settings)


def _platform() -> Any:
    from aiplatform.gateway.platform_app import build_platform  # noqa: PLC0415 - in the replica alone

    return build_platform(_services("platform"))


@serve.deployment(name="platform")
@serve.ingress(_platform)
class Platform:
    """Pages, the management API, health."""


platform = Platform.bind()
