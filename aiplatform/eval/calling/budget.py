"""A run's caps, kept exactly by leases: what workers hold counts as taken until they give it back. No clock, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiplatform.eval.calling.amounts import NOTHING, Amounts


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetReport:
    """What one worker says of the run's caps."""

    caps: Amounts
    held: Amounts
    """What it holds: reserved by calls under way, and free for further ones. For a budget that does not know it yet."""

    reserved: Amounts
    spent: Amounts = NOTHING
    """Settled since its report before, no longer part of `held`."""

    given_back: Amounts = NOTHING
    """No longer part of `held` either."""

    wants: Amounts = NOTHING
    """For the calls that wait."""

    next_call: Amounts = NOTHING
    """For the smallest of them."""

    already_spent: Amounts | None = None
    """By the run before this budget came to be, where the worker knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a worker gets."""

    more: Amounts = NOTHING
    is_capped: bool = False
    """Whether no further call fits."""

    needs_already_spent: bool = False
    """Whether the worker shall find out what the run has spent before."""


@dataclass(slots=True)
class _Holder:
    held: Amounts
    reserved: Amounts
    seen_s: float


@dataclass(slots=True)
class Budget:
    """The caps of one run. Not thread safe."""

    caps: Amounts
    spent: Amounts | None = None
    """None until a worker has said what was spent before."""

    is_capped: bool = False
    _holders: dict[str, _Holder] = field(default_factory=dict)

    def report(self, worker_id: str, report: BudgetReport, now_s: float) -> None:
        """Take in what a worker says."""
        if report.caps != self.caps:
            self.caps, self.is_capped = report.caps, False
        if self.spent is None and report.already_spent is not None:
            self.spent = report.already_spent
        holder = self._holders.get(worker_id)
        if holder is None:
            holder = self._holders[worker_id] = _Holder(held=report.held, reserved=report.reserved, seen_s=now_s)
        else:
            holder.held = holder.held - report.spent - report.given_back
        holder.reserved, holder.seen_s = report.reserved, now_s
        self._spend(report.spent)

    def grant(self, worker_id: str, report: BudgetReport) -> Grant:
        """What that worker gets on top of what it holds."""
        if self.spent is None:
            return Grant(needs_already_spent=True)
        holder = self._holders.get(worker_id)
        if holder is None or self.is_capped or report.wants.is_zero:
            return Grant(is_capped=self.is_capped)
        held = sum((each.held for each in self._holders.values()), NOTHING)
        left = self.caps - self.spent - held
        if not report.next_call.within(left):
            # Calls under way may come out cheaper than they were reserved for; only then is it certain.
            self.is_capped = held.is_zero
            return Grant(is_capped=self.is_capped)
        more = report.wants if report.wants.within(left) else report.next_call
        holder.held = holder.held + more
        return Grant(more=more)

    def leave(self, worker_id: str) -> None:
        """Forget a worker that has given everything back."""
        self._holders.pop(worker_id, None)

    def forget_silent(self, before_s: float) -> None:
        """Take what workers that died had reserved for spent: it may have been paid."""
        for worker_id, holder in [*self._holders.items()]:
            if holder.seen_s < before_s:
                del self._holders[worker_id]
                self._spend(holder.reserved)

    def _spend(self, amounts: Amounts) -> None:
        self.spent = None if self.spent is None else self.spent + amounts
