"""Templates, filters and the answers made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from aiplatform.core.clock import Clock, SystemClock
from aiplatform.core.i18n import LOCALES, translate
from aiplatform.core.templates import template_environment
from aiplatform.eval.shown import answer_text
from aiplatform.tracing.attachments import attachment_of
from aiplatform.ui import formatting
from aiplatform.ui.assets import Assets
from aiplatform.ui.content import highlighted, language_of, one_line, shown
from aiplatform.ui.frame import Frame
from aiplatform.ui.kinds import kind_class, kind_icon, score_text, score_tone
from aiplatform.ui.views.comparison import pieces_of
from aiplatform.ui.views.runs import metric_line
from aiplatform.ui.views.trace import best_score, turns_of

TEMPLATE_FOLDER: Final = Path(__file__).parent / "templates"
# Fragments and pages share addresses: without this a new tab would show a bare fragment from the cache.
VARY: Final = "HX-Request, HX-History-Restore-Request, Cookie, Accept-Language"

HTMX_CONFIG: Final = json.dumps(
    {
        "includeIndicatorStyles": False,
        "allowEval": False,
        "allowScriptTags": False,
        "historyCacheSize": 0,
        "refreshOnHistoryMiss": True,
        "historyRestoreAsHxRequest": False,
        "responseHandling": [
            {"code": "204", "swap": False},
            {"code": "[23]..", "swap": True},
            {"code": "422", "swap": True},
            {
                "code": "[45]..",
                "swap": True,
                "error": True,
                "target": "#alert",
                "swapOverride": "innerHTML",
                "select": "unset",
            },
        ],
    },
    separators=(",", ":"),
)


class Renderer:
    """Draws templates in the reader's language."""

    def __init__(self, assets: Assets, clock: Clock | None = None) -> None:
        self.assets = assets
        self.clock = clock or SystemClock()
        self._environments = {locale: _environment(locale, assets) for locale in LOCALES}

    def text(self, template: str, frame: Frame, view: Mapping[str, Any] | None = None) -> str:
        """A template as text."""
        page = self._environments[frame.locale].get_template(template)
        return page.render(frame=frame, htmx_config=HTMX_CONFIG, **(view or {}))

    def page(
        self,
        template: str,
        frame: Frame,
        view: Mapping[str, Any] | None = None,
        *,
        status: int = 200,
    ) -> HTMLResponse:
        """A whole page, or a fragment of one. The authentication layer adds the content policy and forbids keeping."""
        return HTMLResponse(self.text(template, frame, view), status_code=status, headers={"vary": VARY})


def is_fragment(request: Request) -> bool:
    """Whether htmx asks for a part; restoring a page from history asks for the whole one."""
    headers = request.headers
    return headers.get("hx-request") == "true" and headers.get("hx-history-restore-request") != "true"


def _environment(locale: str, assets: Assets) -> Environment:
    environment = template_environment(TEMPLATE_FOLDER, locale)
    environment.globals["asset"] = assets.url
    environment.filters.update(_FILTERS)
    return environment


def _stamp(context: Context, nanoseconds: int | None) -> str:
    return formatting.stamp(nanoseconds, context["frame"].zone)


def _stamp_ms(context: Context, nanoseconds: int | None) -> str:
    return formatting.stamp(nanoseconds, context["frame"].zone, milliseconds=True)


def _short_stamp(context: Context, nanoseconds: int | None) -> str:
    frame = context["frame"]
    return formatting.short_stamp(nanoseconds, frame.zone, frame.now_ns)


def _stamp_full(context: Context, nanoseconds: int | None) -> str:
    frame: Frame = context["frame"]
    zone = formatting.zone_label(frame.zone, frame.now_ns)
    stamp = formatting.stamp(nanoseconds, frame.zone, milliseconds=True)
    return f"{stamp} {zone} · {formatting.age(nanoseconds, frame.now_ns, frame.locale)}"


def _age(context: Context, nanoseconds: int | None) -> str:
    frame = context["frame"]
    return formatting.age(nanoseconds, frame.now_ns, frame.locale)


def _share(context: Context, value: float | None) -> str:
    return formatting.share(value, context["frame"].locale)


def _axis_time(context: Context, nanoseconds: int, range_ns: int) -> str:
    """The label of an instant under a chart: the day too where the range spans days."""
    stamp = formatting.stamp(nanoseconds, context["frame"].zone)
    return stamp[5:16] if range_ns > 36 * 3600 * 1_000_000_000 else stamp[11 : 16 if range_ns > 600_000_000_000 else 19]


def _zone(context: Context, now_ns: int) -> str:
    return formatting.zone_label(context["frame"].zone, now_ns)


def _lang(context: Context, text: Any) -> Markup:
    """The `lang` attribute of a text that is not in the page's language: fonts and screen readers go by it."""
    tag = language_of(str(text or ""))
    return Markup("") if tag is None or tag == context["frame"].lang else Markup(' lang="{}"').format(tag)


def _localized(context: Context, message: Any) -> str:
    """An error's, verdict's or label's text in the reader's language."""
    locale = context["frame"].locale
    return translate(message, locale) if isinstance(message, str) else str(message.localized(locale))


def _script_json(value: Any) -> Markup:
    """JSON for a data block of a script: no `<` can end it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))  # noqa: S704


_FILTERS: Final[dict[str, Any]] = {
    "number": formatting.number,
    "full": formatting.full,
    "plain": formatting.plain,
    "lang": pass_context(_lang),
    "share": pass_context(_share),
    "money": formatting.money,
    "duration": formatting.duration,
    "size": formatting.size,
    "iso": formatting.iso,
    "stamp": pass_context(_stamp),
    "stamp_ms": pass_context(_stamp_ms),
    "short_stamp": pass_context(_short_stamp),
    "stamp_full": pass_context(_stamp_full),
    "age": pass_context(_age),
    "axis_time": pass_context(_axis_time),
    "zone": pass_context(_zone),
    "localized": pass_context(_localized),
    "metric_text": lambda metric: metric_line(metric).text,
    "metric_interval": lambda metric: metric_line(metric).interval,
    "score_text": score_text,
    "score_tone": score_tone,
    "shown": shown,
    "one_line": one_line,
    "answer_text": answer_text,
    "pieces_of": pieces_of,
    "turns_of": turns_of,
    "best_score": best_score,
    "attachment": attachment_of,
    "script_json": _script_json,
    "highlighted": highlighted,
    "kind_class": kind_class,
    "kind_icon": kind_icon,
}
