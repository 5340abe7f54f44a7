"""Human review from Python.

queue = aip.reviews.create("answers", rubric="Does it answer the question?")
aip.reviews.fill(queue["queue_id"], run=run, limit=100)
print(aip.judges.calibrate(run, queue=queue["queue_id"]))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from aiplatform.client.http import Client

if TYPE_CHECKING:
    from aiplatform.eval.api import EvaluationHandle

__all__ = ["assign", "close", "create", "fill", "get", "items", "label", "list", "undo"]

_PATH: Final = "/api/v1/review-queues"
_PAGE: Final = 200


def create(
    name: str,
    *,
    rubric: str = "",
    labels: Mapping[str, float | None] | None = None,
    client: Client | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Make a queue of answers that people shall judge.

    Args:
        name: What people call it.
        rubric: What they shall look at.
        labels: What can be said, in the order of the number keys, and what each is worth; by default pass and fail.
        client: By default one made from the environment.
        options: `score_name`, `raters_per_item`, `is_blind`, as in the HTTP API.
    """
    body: dict[str, Any] = {"name": name, "rubric": rubric, **options}
    if labels is not None:
        body["labels"] = [{"name": label, "value": value} for label, value in labels.items()]
    made: dict[str, Any] = (client or Client()).post(_PATH, body)
    return made


def list(*, client: Client | None = None) -> tuple[dict[str, Any], ...]:  # noqa: A001 - a verb on a noun
    """Queues of the project, open ones first."""
    return tuple((client or Client()).get(_PATH)["items"])


def get(queue_id: str, *, client: Client | None = None) -> dict[str, Any]:
    """One queue, with its `progress` and how far its people agree.

    Raises:
        NotFoundError: The project has none of that id.
    """
    found: dict[str, Any] = (client or Client()).get(f"{_PATH}/{queue_id}")
    return found


def fill(
    queue_id: str,
    *,
    run: EvaluationHandle | str | None = None,
    against: EvaluationHandle | str | None = None,
    pick: str = "random",
    scorer: str = "",
    query: str | None = None,
    trace_ids: Sequence[str] = (),
    limit: int = 100,
    client: Client | None = None,
) -> int:
    """Put rows of a run, pairs of two runs' answers, or traces into a queue; returns how many are new.

    Args:
        queue_id: The queue.
        run: A run whose answers are judged.
        against: Another run on the same rows: pairs of answers are judged.
        pick: Which rows: `random`, `low`, `disagreement`, `failed`.
        scorer: Whose low or failed scores.
        query: Or the newest traces that this query finds.
        trace_ids: Or these traces.
        limit: How many at most.
        client: By default one made from the environment.
    """
    body = {
        "run_id": _id(run),
        "against": _id(against),
        "pick": pick,
        "scorer": scorer,
        "query": query,
        "trace_ids": [*trace_ids],
        "limit": limit,
    }
    return int((client or Client()).post(f"{_PATH}/{queue_id}:fill", body)["added"])


def assign(queue_id: str, raters: Sequence[str], *, each: int = 1, client: Client | None = None) -> int:
    """Share the items among people (`user:ann@example.com`), in turn; returns how many were assigned."""
    body = {"raters": [*raters], "each": each}
    return int((client or Client()).post(f"{_PATH}/{queue_id}:assign", body)["assigned"])


def items(queue_id: str, which: str = "all", *, client: Client | None = None) -> Iterator[dict[str, Any]]:
    """Items in their order; `which` is `all`, `mine`, `done` or `conflict`."""
    client, after = client or Client(), ""
    while True:
        page = client.get(f"{_PATH}/{queue_id}/items", which=which, limit=_PAGE, after=after)
        yield from page["items"]
        after = page["next"]
        if after is None:
            return


def label(
    queue_id: str, item_id: str, label: str, *, comment: str = "", client: Client | None = None
) -> dict[str, Any]:
    """Say what one thinks of an item, in place of what one said before; an empty label skips it."""
    path = f"{_PATH}/{queue_id}/items/{item_id}/label"
    answer = (client or Client()).request("PUT", path, json={"label": label, "comment": comment})
    found: dict[str, Any] = answer.json()
    return found


def undo(queue_id: str, item_id: str, *, client: Client | None = None) -> None:
    """Take back what one said of an item."""
    (client or Client()).request("DELETE", f"{_PATH}/{queue_id}/items/{item_id}/label")


def close(queue_id: str, *, client: Client | None = None) -> None:
    """Close a queue: it takes no items and no labels any more."""
    (client or Client()).request("PATCH", f"{_PATH}/{queue_id}", json={"is_open": False})


def _id(run: EvaluationHandle | str | None) -> str:
    if run is None:
        return ""
    return run if isinstance(run, str) else run.run_id
