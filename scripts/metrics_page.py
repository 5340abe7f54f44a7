"""Writes the pages of metrics from the registry: `python scripts/metrics_page.py`."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import Final

from aiplatform.core.i18n import translate
from aiplatform.eval.measures.registry import Definition, definitions

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"
PAGES: Final = {"en": DOCS / "metrics.md", "zh_CN": DOCS / "zh" / "metrics.md"}
BEGIN: Final = "<!-- The table below is written by scripts/metrics_page.py. -->\n"
FAMILIES: Final = {
    "classification": ("Classes", "类别"),
    "probabilities": ("Scores and probabilities", "分数与概率"),
    "multilabel": ("Several labels a row", "多标签"),
    "regression": ("Numbers", "数值"),
    "text": ("Texts", "文本"),
    "retrieval": ("Rankings", "检索排序"),
    "tool calls": ("Tool calls", "工具调用"),
    "usage": ("Time, tokens, money", "时间、词元、费用"),
}
COLUMNS: Final = {
    "en": ("Metric", "Tells", "Defined by", "Range", "Interval", "Parameters"),
    "zh_CN": ("指标", "含义", "定义", "取值", "区间", "参数"),
}


def table(locale: str) -> str:
    """Every metric, family by family."""
    parts = [BEGIN]
    for family, found in groupby(definitions().values(), key=lambda each: each.family):
        columns = COLUMNS[locale]
        title = FAMILIES[family][locale != "en"]
        parts += [f"\n## {title}\n", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        parts += [_row(each, locale) for each in found]
    return "\n".join(parts) + "\n"


def page(locale: str) -> str:
    """The whole page: what is written by hand, then the table."""
    return PAGES[locale].read_text(encoding="utf-8").split(BEGIN)[0] + table(locale)


def main() -> int:
    """Write the pages."""
    for locale, path in PAGES.items():
        path.write_text(page(locale), encoding="utf-8")
    return 0


def _row(definition: Definition, locale: str) -> str:
    name = f"`{definition.name}`"
    if definition.forms:
        name += ", " + ", ".join(f"`_{form}`" for form in definition.forms)
    told = [
        name if name in {"expected", "output"} else f"{name}={value!r}" for name, value in definition.parameters.items()
    ]
    shown = ", ".join(f"`{each}`" for each in told if each not in {"expected", "output"})
    better = {"en": ", less is better", "zh_CN": "，越小越好"}[locale] if definition.lower_is_better else ""
    reference = f"`{definition.reference}`" if definition.reference else "—"
    bounds = f"{definition.bounds}{better}"
    says = translate(definition.says, locale)
    return f"| {name} | {says} | {reference} | {bounds} | {definition.interval or '—'} | {shown or '—'} |"


if __name__ == "__main__":
    sys.exit(main())
