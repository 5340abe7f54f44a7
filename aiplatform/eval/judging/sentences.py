"""What a calibration says, in sentences: whether the judge agrees with people, how it errs, what moves it."""

from __future__ import annotations

from typing import Final

from aiplatform.core.i18n import N_
from aiplatform.eval.judging.biases import flip_probability
from aiplatform.eval.judging.model import Calibration, Estimate
from aiplatform.eval.model import Message, Outcome, message

FLOOR: Final = 0.6
"""Kappa from which on people call agreement substantial (Landis and Koch 1977)."""


def outcome(calibration: Calibration, floor: float = FLOOR) -> Outcome:
    """Whether the judge is established to agree with people: its kappa's interval lies above the floor, or below."""
    kappa = calibration.kappa
    if kappa.low is None or kappa.high is None:
        return Outcome.UNKNOWN
    if kappa.low >= floor:
        return Outcome.PASS
    return Outcome.FAIL if kappa.high < floor else Outcome.UNKNOWN


def headline(calibration: Calibration, floor: float = FLOOR) -> Message:
    """The answer."""
    text = {
        Outcome.PASS: N_("{judge} agrees with people: κ = {kappa}, at least {floor} is established, n = {n}."),
        Outcome.FAIL: N_("{judge} does not agree with people: κ = {kappa}, less than {floor} is established, n = {n}."),
        Outcome.UNKNOWN: N_("{judge} may agree with people: κ = {kappa}, {floor} is not established, n = {n}."),
    }[outcome(calibration, floor)]
    return message(
        text, judge=calibration.scorer, kappa=number(calibration.kappa), floor=f"{floor:g}", n=str(calibration.n)
    )


def details(calibration: Calibration) -> tuple[Message, ...]:
    """Its errors and biases, those that are known."""
    found: list[Message] = []
    if calibration.false_passes is not None and calibration.false_passes.value is not None:
        text = N_("It passes {rate} of what people fail.")
        found.append(message(text, rate=percent(calibration.false_passes)))
    if calibration.false_fails is not None and calibration.false_fails.value is not None:
        found.append(message(N_("It fails {rate} of what people pass."), rate=percent(calibration.false_fails)))
    found += _rates(calibration)
    found += _biases(calibration)
    if calibration.people_alpha is not None and calibration.people_alpha.value is not None:
        text = N_("People agree among themselves with α = {alpha}: no judge can be asked for more.")
        found.append(message(text, alpha=number(calibration.people_alpha)))
    return tuple(found)


def number(estimate: Estimate | None) -> str:
    """A coefficient with its interval: `0.78 [0.70, 0.85]`; a dash where it is not known."""
    if estimate is None or estimate.value is None:
        return "—"
    if estimate.low is None or estimate.high is None:
        return _signed(f"{estimate.value:.2f}")
    return _signed(f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]")


def percent(estimate: Estimate | None) -> str:
    """A share with its interval: `15.2 % [11.0 %, 20.1 %]`; a dash where it is not known."""
    if estimate is None or estimate.value is None:
        return "—"
    if estimate.low is None or estimate.high is None:
        return _signed(f"{100 * estimate.value:.1f} %")
    return _signed(f"{100 * estimate.value:.1f} % [{100 * estimate.low:.1f} %, {100 * estimate.high:.1f} %]")


def _signed(text: str) -> str:
    return text.replace("-", "−")


def _rates(calibration: Calibration) -> list[Message]:
    judged, corrected = calibration.judged_rate, calibration.corrected_rate
    if judged is None or corrected is None:
        return []
    if corrected.value is None:
        return [
            message(N_("What people would pass cannot be told: it is no better than chance, or people say one thing."))
        ]
    text = N_("It passes {judged} of {n} other rows; people would pass {corrected} of them.")
    return [message(text, judged=percent(judged), corrected=percent(corrected), n=str(judged.n))]


def _biases(calibration: Calibration) -> list[Message]:
    found: list[Message] = []
    position, length, differing = calibration.position, calibration.length, calibration.inconsistency
    if position is not None and position.is_found:
        text = N_("The place of an answer moves it: the first place wins {share} more pairs than the second.")
        found.append(message(text, share=percent(position.estimate)))
    if length is not None and length.is_found:
        text = N_("Length moves it: of answers that people judge alike it passes {share} more of the longer ones.")
        found.append(message(text, share=percent(length.estimate)))
    if differing is not None and differing.value is not None:
        text = N_("Asked again it says something else for {share} of the items: it turns about {flips} % by chance.")
        flips = f"{100 * flip_probability(differing.value):.1f}"
        found.append(message(text, share=percent(differing), flips=flips))
    return found
