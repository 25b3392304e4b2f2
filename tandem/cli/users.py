"""`tandem user`: users and their tokens. `tandem identity`: the keys that sign them."""

from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer
from rich.table import Table

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told
from tandem.cli.show import clock_time, plain, print_table

API_VERSION: Final = "2025-06-30"

app = typer.Typer(no_args_is_help=True, help="Users of an application, and their tokens.")
identity = typer.Typer(no_args_is_help=True, help="The keys that sign users' tokens.")

User = Annotated[str, typer.Argument(metavar="ID", help="8:acs:…, as `tandem user list` shows it.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="chat, voip, chat.join, chat.join.limited or voip.join; may stand again."),
]
Minutes = Annotated[int, typer.Option(help="How long a token lives: 60 to 1440.")]


@app.command("create")
def create(
    scope: Scopes = None,
    minutes: Minutes = 1440,
    custom_id: Annotated[
        str | None, typer.Option(help="Your own id of the user: once more returns the same user.")
    ] = None,
    data: Data = None,
) -> None:
    """Make a user, and with --scope a token for it."""
    body: dict[str, Any] = {"customId": custom_id} if custom_id else {}
    if scope:
        body |= {"createTokenWithScopes": scope, "expiresInMinutes": minutes}
    with told():
        made = Client.of(folder(data)).acs("POST", _path(""), body)
    print(made["identity"]["id"])
    if "accessToken" in made:
        _print_token(made["accessToken"])


@app.command("token")
def token(
    user: User,
    scope: Scopes = None,
    minutes: Minutes = 1440,
    data: Data = None,
) -> None:
    """Issue a token of a user's; for chat and voip unless told otherwise."""
    body = {"scopes": scope or ["chat", "voip"], "expiresInMinutes": minutes}
    with told():
        _print_token(Client.of(folder(data)).acs("POST", _path(user, "/:issueAccessToken"), body))


@app.command("revoke")
def revoke(user: User, data: Data = None) -> None:
    """End every token that a user has."""
    with told():
        Client.of(folder(data)).acs("POST", _path(user, "/:revokeAccessTokens"))


@app.command("delete")
def delete(user: User, data: Data = None) -> None:
    """Delete a user with all that is known of it, and end its tokens."""
    with told():
        Client.of(folder(data)).acs("DELETE", _path(user))


@app.command("list")
def list_(
    custom_id: Annotated[str | None, typer.Option(help="Only the user that you know by this id.")] = None,
    data: Data = None,
) -> None:
    """List the users, oldest first."""
    table = Table(box=None, pad_edge=False)
    for column in ("created", "last token", "custom id", "id"):
        table.add_column(column, no_wrap=column != "custom id")
    with told():
        client = Client.of(folder(data))
        query = f"?{urlencode({'customId': custom_id})}" if custom_id else ""
        path: str | None = f"/admin/resources/{client.resource()}/users{query}"
        while path is not None:
            page = client.admin("GET", path)
            for each in page["value"]:
                table.add_row(
                    _time(each["created"]),
                    _time(each.get("lastTokenIssuedAt")),
                    plain(each.get("customId", "")),
                    each["id"],
                )
            path = page.get("nextLink")
    print_table(table)


@identity.command("keys")
def keys(data: Data = None) -> None:
    """List the keys that verify tokens."""
    table = Table(box=None, pad_edge=False)
    for column in ("kid", "state", "created", "verifies until"):
        table.add_column(column, no_wrap=True)
    with told():
        client = Client.of(folder(data))
        for each in client.admin("GET", f"/admin/resources/{client.resource()}/tokenKeys")["value"]:
            table.add_row(each["kid"], each["state"], _time(each["created"]), _time(each.get("expires")))
    print_table(table)


@identity.command("rotate-keys")
def rotate_keys(
    end_old: Annotated[
        bool, typer.Option("--end-old", help="End every token at once: others may know the old key.")
    ] = False,
    data: Data = None,
) -> None:
    """Let a fresh key sign from now on. Tokens that were issued stay good unless --end-old is given."""
    with told():
        client = Client.of(folder(data))
        path = f"/admin/resources/{client.resource()}/tokenKeys:rotate"
        print(client.admin("POST", path, {"endOld": end_old})["kid"])


def _time(text: str | None) -> str:
    return "" if text is None else clock_time(text)


def _path(user: str, verb: str = "") -> str:
    item = f"/{quote(user, safe='')}" if user else ""
    return f"/identities{item}{verb}?api-version={API_VERSION}"


def _print_token(made: dict[str, Any]) -> None:
    print(made["token"])
    print(f"expires: {made['expiresOn']}")
