"""What stands around every page: who reads, in which language, zone and theme, and where they can go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final

from starlette.requests import Request

from aiplatform.core.i18n import N_, negotiate
from aiplatform.tenancy.model import Caller
from aiplatform.tenancy.permissions import Permission
from aiplatform.ui.formatting import zone_named

LOCALE_COOKIE: Final = "aip_locale"
THEME_COOKIE: Final = "aip_theme"
ZONE_COOKIE: Final = "aip_zone"
UTC_COOKIE: Final = "aip_utc"
THEMES: Final = ("system", "light", "dark")
LANGUAGE_TAGS: Final = {"en": "en", "zh_CN": "zh-CN"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One page of the navigation, before it is translated."""

    key: str
    path: str
    name: str
    icon: str
    permission: Permission


NAVIGATION: Final[tuple[tuple[str, tuple[Entry, ...]], ...]] = (
    (
        N_("Observe"),
        (
            Entry(key="overview", path="", name=N_("Overview"), icon="house", permission=Permission.SIGNED_IN),
            Entry(key="traces", path="/traces", name=N_("Traces"), icon="list-tree", permission=Permission.TRACES_READ),
            Entry(
                key="sessions",
                path="/sessions",
                name=N_("Sessions"),
                icon="message-square",
                permission=Permission.TRACES_READ,
            ),
            Entry(key="usage", path="/usage", name=N_("Usage"), icon="layers", permission=Permission.TRACES_READ),
        ),
    ),
    (
        N_("Evaluate"),
        (
            Entry(
                key="evaluations",
                path="/evaluations",
                name=N_("Evaluations"),
                icon="scale",
                permission=Permission.EVALUATIONS_READ,
            ),
            Entry(
                key="judges",
                path="/judges",
                name=N_("Judges"),
                icon="shield",
                permission=Permission.EVALUATIONS_READ,
            ),
            Entry(
                key="reviews",
                path="/reviews",
                name=N_("Review"),
                icon="star",
                permission=Permission.EVALUATIONS_READ,
            ),
            Entry(
                key="datasets",
                path="/datasets",
                name=N_("Data sets"),
                icon="database",
                permission=Permission.DATASETS_READ,
            ),
        ),
    ),
    (
        N_("Build"),
        (
            Entry(
                key="experiments",
                path="/experiments",
                name=N_("Experiments"),
                icon="flask-conical",
                permission=Permission.EXPERIMENTS_READ,
            ),
            Entry(key="models", path="/models", name=N_("Models"), icon="boxes", permission=Permission.MODELS_READ),
        ),
    ),
    (
        N_("Run"),
        (
            Entry(
                key="deployments",
                path="/deployments",
                name=N_("Deployments"),
                icon="rocket",
                permission=Permission.DEPLOYMENTS_READ,
            ),
        ),
    ),
    (
        N_("Admin"),
        (
            Entry(key="members", path="/members", name=N_("Members"), icon="users", permission=Permission.MEMBERS_READ),
            Entry(key="keys", path="/keys", name=N_("Keys"), icon="key-round", permission=Permission.KEYS_READ),
        ),
    ),
)

KEYS: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("Ctrl", "K"), N_("find a page or a thing")),
    (("?",), N_("all keys")),
    (("/",), N_("the query line")),
    (("j", "k"), N_("next and previous row or span")),
    (("↵",), N_("open it")),
    (("x",), N_("choose the row")),
    (("Esc",), N_("close, or back to the list")),
    (("[", "]"), N_("collapse and expand the whole tree")),
    (("n",), N_("next changed row; in a trace, the next error")),
    (("a",), N_("give a score, in a trace")),
    (("1", "9"), N_("choose a label, in a review")),
    (("Ctrl", "↵"), N_("save and next, in a review")),
    (("u",), N_("take the last label back, in a review")),
    (("g", "o"), N_("go to the overview")),
    (("g", "t"), N_("go to traces")),
    (("g", "e"), N_("go to evaluations")),
    (("g", "s"), N_("go to data sets")),
    (("g", "x"), N_("go to experiments")),
    (("g", "m"), N_("go to models")),
    (("g", "d"), N_("go to deployments")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A link to something that can be switched to."""

    name: str
    href: str
    is_current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NavigationItem:
    """A page as the rail shows it."""

    key: str
    name: str
    href: str
    icon: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NavigationGroup:
    """Pages that belong together."""

    name: str
    items: tuple[NavigationItem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """How a reader wants to see pages; kept in cookies, so that the server draws the right theme at once."""

    locale: str = "en"
    theme: str = "system"
    zone: tzinfo = UTC
    is_utc: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The frame of one page."""

    preferences: Preferences
    now_ns: int
    request_id: str
    here: str
    """Path and query of this page, where a changed preference leads back to."""

    base: str = ""
    """`/tenant/project`, empty on pages without."""

    tenant_name: str = ""
    project_id: str = ""
    principal: str = ""
    tenants: tuple[Choice, ...] = ()
    projects: tuple[Choice, ...] = ()
    navigation: tuple[NavigationGroup, ...] = ()
    keys: tuple[tuple[tuple[str, ...], str], ...] = ()

    @property
    def locale(self) -> str:
        """Name of the catalogue."""
        return self.preferences.locale

    @property
    def lang(self) -> str:
        """Language tag of the page."""
        return LANGUAGE_TAGS[self.preferences.locale]

    @property
    def theme(self) -> str:
        """`system`, `light` or `dark`."""
        return self.preferences.theme

    @property
    def is_utc(self) -> bool:
        """Whether times are in UTC by choice."""
        return self.preferences.is_utc

    @property
    def zone(self) -> tzinfo:
        """Zone of every time on the page."""
        return self.preferences.zone


def preferences_of(request: Request) -> Preferences:
    """What the cookies say, then the browser's languages."""
    cookies: Mapping[str, str] = request.cookies
    theme = cookies.get(THEME_COOKIE, "")
    is_utc = cookies.get(UTC_COOKIE) == "1"
    return Preferences(
        locale=negotiate(cookies.get(LOCALE_COOKIE), request.headers.get("accept-language")),
        theme=theme if theme in THEMES else "system",
        zone=UTC if is_utc else zone_named(cookies.get(ZONE_COOKIE)),
        is_utc=is_utc,
    )


def navigation_for(
    caller: Caller, base: str, current: str, translate: Callable[[str], str]
) -> tuple[NavigationGroup, ...]:
    """The pages that a caller may open; a group without any is left out."""
    groups = []
    for name, entries in NAVIGATION:
        items = tuple(
            NavigationItem(
                key=entry.key,
                name=translate(entry.name),
                href=f"{base}{entry.path}",
                icon=entry.icon,
                is_current=entry.key == current,
            )
            for entry in entries
            if caller.may(entry.permission)
        )
        if items:
            groups.append(NavigationGroup(name=translate(name), items=items))
    return tuple(groups)


def choices(names: Sequence[tuple[str, str]], current: str, href: Callable[[str], str]) -> tuple[Choice, ...]:
    """Links to (id, name) pairs, the current one marked."""
    return tuple(Choice(name=name, href=href(key), is_current=key == current) for key, name in names)
