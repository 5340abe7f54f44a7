"""Where control-plane processes write what they have to say: one file an application, one JSON object a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aiplatform.tenancy.request import REQUEST_ID

_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, and whatever fields it carries."""

    def __init__(self, application: str) -> None:
        super().__init__()
        self._application = application

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "application": self._application,
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id = REQUEST_ID.get()
        if request_id:
            line["request_id"] = request_id
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def write_logs(folder: Path, application: str, *, level: int = logging.INFO) -> None:
    """Send this process's own log records to `<folder>/<application>.log`; repeating changes nothing."""
    logger = logging.getLogger("aiplatform")
    if logger.handlers:
        return
    folder.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(folder / f"{application}.log", encoding="utf-8", delay=True)
    handler.setFormatter(JsonLines(application))
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
