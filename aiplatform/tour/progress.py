"""How far the tour is, as lines that people read in a job's log and the command line draws bars from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aiplatform.core.i18n import N_


class Step(StrEnum):
    """The steps, in their order."""

    DATA = "data"
    EMBED = "embed"
    TRAIN = "train"
    REGISTER = "register"
    EVALUATE = "evaluate"
    COMPARE = "compare"
    DEPLOY = "deploy"
    ASK = "ask"


STEP_NAMES: Final = {
    Step.DATA: N_("Register the data sets"),
    Step.EMBED: N_("Embed the texts on Ray Data"),
    Step.TRAIN: N_("Train the adapter on Ray Train"),
    Step.REGISTER: N_("Register five versions"),
    Step.EVALUATE: N_("Evaluate them on Ray Data"),
    Step.COMPARE: N_("Compare them, and ask the gate"),
    Step.DEPLOY: N_("Deploy on Ray Serve"),
    Step.ASK: N_("Ask it through the OpenAI client"),
}

ERROR_MARK: Final = "error: "
"""Begins the line of the log that says why a tour ended."""

_LINE: Final = re.compile(r"\[ *(?P<at>\d+\.\d) s\] (?P<step>[a-z]+) +(?P<done>\d+)/(?P<total>\d+)(?: (?P<text>.*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One line."""

    step: Step
    done: int
    total: int
    text: str = ""
    elapsed_s: float = 0.0
    """Since the tour began."""

    def __str__(self) -> str:
        return f"[{self.elapsed_s:6.1f} s] {self.step:<9} {self.done}/{self.total} {self.text}".rstrip()


def parse(line: str) -> Progress | None:
    """The progress that a line tells; None for any other line."""
    match = _LINE.fullmatch(line.strip())
    if match is None or match["step"] not in Step.__members__.values():
        return None
    return Progress(
        step=Step(match["step"]),
        done=int(match["done"]),
        total=int(match["total"]),
        text=match["text"] or "",
        elapsed_s=float(match["at"]),
    )
