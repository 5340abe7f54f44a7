"""`python -m aiplatform.tour`: the whole tour, in the Ray job that this is."""

from __future__ import annotations

import os
import sys

from aiplatform.core.errors import AIPlatformError
from aiplatform.core.i18n import negotiate
from aiplatform.tour.progress import ERROR_MARK


def main() -> int:
    """Walk the tour; an expected error is a sentence. Returns the exit code."""
    from aiplatform.tour.steps import Tour  # noqa: PLC0415 - numpy and all that follows

    locale = negotiate(os.environ.get("LANG"))
    try:
        import ray

        from aiplatform.tracing import sdk  # noqa: PLC0415

        ray.init(ignore_reinit_error=True, log_to_driver=False)
        sdk.init(service_name="tour")
        Tour().run()
        sdk.flush()
    except AIPlatformError as error:
        sys.stderr.write(f"{ERROR_MARK}{error.localized(locale)}\n")
        if error.hint:
            sys.stderr.write(f"  {error.localized_hint(locale)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
