"""How numbers of evaluation are written: three digits, a true minus sign, an interval beside every value."""

from __future__ import annotations

import json
from typing import Any, Final

from aiplatform.eval.model import MetricKind, MetricValue, Unit

MINUS: Final = "\N{MINUS SIGN}"
UNKNOWN: Final = "—"
_SMALLEST_P: Final = 0.001


def number(value: float | None, unit: Unit = Unit.NONE) -> str:
    """`0.573`, `1.24 s`, `87 ms`; a dash where it is not known."""
    if value is None:
        return UNKNOWN
    if unit is Unit.MILLISECONDS:
        return _duration(value)
    digits = 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1
    return _signed(f"{value:.{digits}f}")


def latency(milliseconds: float | None) -> str:
    """`87 ms`, `1.24 s`; a dash where it is not known."""
    return number(milliseconds, Unit.MILLISECONDS)


def interval(low: float | None, high: float | None, unit: Unit = Unit.NONE) -> str:
    """`[0.513, 0.631]`; empty where it is not known."""
    return "" if low is None or high is None else f"[{number(low, unit)}, {number(high, unit)}]"


def difference(value: float | None, *, in_points: bool, unit: Unit = Unit.NONE) -> str:
    """`+5.8` in points, `+0.031`, `−120 ms`; always with its sign."""
    if value is None:
        return UNKNOWN
    if in_points:
        return _signed(f"{value * 100:+.1f}")
    if unit is Unit.MILLISECONDS:
        return f"{'+' if value > 0 else ''}{_duration(value)}"
    return _signed(f"{value:+.3f}")


def difference_interval(low: float | None, high: float | None, *, in_points: bool, unit: Unit = Unit.NONE) -> str:
    """`[−0.4, +12.1]`; empty where it is not known."""
    if low is None or high is None:
        return ""
    ends = (difference(end, in_points=in_points, unit=unit) for end in (low, high))
    return f"[{', '.join(ends)}]"


def size(value: float, *, in_points: bool, unit: Unit = Unit.NONE) -> str:
    """A difference without its sign: `7.8`."""
    return difference(abs(value), in_points=in_points, unit=unit).lstrip("+")


def p_value(p: float | None) -> str:
    """`0.071`, `< 0.001`; a dash where there is none."""
    if p is None:
        return UNKNOWN
    return f"< {_SMALLEST_P}" if p < _SMALLEST_P else f"{p:.3f}"


def p_relation(p: float | None) -> str:
    """`= 0.071`, `< 0.001`: what stands after a p in a sentence."""
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def metric(value: MetricValue) -> str:
    """`0.573 [0.513, 0.631]`, in the metric's unit."""
    return f"{number(value.value, value.unit)} {interval(value.low, value.high, value.unit)}".rstrip()


def answer_text(value: Any) -> str:
    """The answer that an evaluated row gave, as a person reads it: the text of common shapes, else JSON."""
    if value is None:
        return ""
    if isinstance(value, dict):
        for key in ("answer", "text", "content", "output", "question", "query", "input"):
            if isinstance(value.get(key), str) and value[key]:
                return str(value[key])
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def is_in_points(kind: MetricKind) -> bool:
    """Whether differences of this kind are shown times 100."""
    return kind in {MetricKind.PROPORTION, MetricKind.AUC}


def _duration(milliseconds: float) -> str:
    magnitude = abs(milliseconds)
    if magnitude >= 60_000:
        text = f"{milliseconds / 60_000:.1f} min"
    elif magnitude >= 1000:
        text = f"{milliseconds / 1000:.2f} s"
    else:
        text = f"{milliseconds:.0f} ms" if magnitude >= 100 else f"{milliseconds:.3g} ms"
    return _signed(text)


def _signed(text: str) -> str:
    return text.replace("-", MINUS)
