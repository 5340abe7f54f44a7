"""Jinja templates that speak the reader's language and escape whatever is put into them."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from aiplatform.core.i18n import catalogue


def template_environment(folder: Path, locale: str) -> Environment:
    """The templates of a folder, in one language; a name that nobody gave a value is an error.

    Args:
        folder: Where the templates lie.
        locale: Whose catalogue `_()` and `{% trans %}` use.
    """
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(catalogue(locale), newstyle=True)  # type: ignore[attr-defined]
    return environment
