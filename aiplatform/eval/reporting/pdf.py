"""A report as PDF, by WeasyPrint: tagged, numbered, and Chinese that can be searched and copied.

Chromium's own printing writes Chinese as radicals that some readers cannot search, so it is not used.
"""

from __future__ import annotations

from typing import Any, NoReturn

from aiplatform.core.errors import ConfigError
from aiplatform.core.i18n import N_


def render_pdf(html: str) -> bytes:
    """The PDF of an HTML report, accessible as PDF/UA-1.

    Raises:
        ConfigError: WeasyPrint, or the Pango library that it draws text with, is not installed.
    """
    try:
        from weasyprint import HTML  # noqa: PLC0415 - an extra, and it takes half a second to import
    except ImportError:
        raise ConfigError(
            N_("PDF reports need WeasyPrint, which is not installed here."),
            hint=N_('Install it with `pip install "aiplatform[reports]"`, or ask for the HTML report.'),
            reason="report.no_weasyprint",
        ) from None
    except OSError as error:
        raise ConfigError(
            N_("PDF reports need the Pango library, which is not installed here: {problem}"),
            hint=N_(
                "On Debian and Ubuntu: `apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 "
                "fonts-noto-cjk`. Or ask for the HTML report."
            ),
            reason="report.no_pango",
            problem=str(error).splitlines()[0],
        ) from None
    content: bytes = HTML(string=html, url_fetcher=_nothing_is_fetched).write_pdf(pdf_variant="pdf/ua-1")
    return content


def _nothing_is_fetched(url: str, *_: Any, **__: Any) -> NoReturn:
    raise ValueError(f"a report holds everything that it shows, and fetches nothing: {url}")
