"""The reference's table of operations, made from the routes themselves."""

from collections.abc import Iterable

from telephony.kernel.http.route import Route

_HEAD = "| operation | method, path | api-versions | auth | summary |\n|---|---|---|---|---|\n"


def routes_table(routes: Iterable[Route]) -> str:
    """Return all operations as a Markdown table, in order of path and method."""
    rows = sorted(routes, key=lambda route: (route.template, route.method))
    return _HEAD + "".join(_row(route) for route in rows)


def _row(route: Route) -> str:
    cells = (
        f"`{route.operation}`",
        f"`{route.method} {route.template}`",
        ", ".join(route.versions) or "–",
        route.auth.value,
        route.summary,
    )
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"
