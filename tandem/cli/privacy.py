"""`tandem privacy`: forgetting people on request."""

import re
from typing import Annotated, Final

import typer

from tandem.cli.client import Client
from tandem.cli.options import Data, folder, told
from tandem.cli.resources import find

WORDS: Final = {
    "webhooks": "webhook deliveries",
    "messages": "messages",
    "inboundParts": "parts of texts that wait for the rest",
    "automaticReplies": "counts of automatic answers",
    "forwards": "notes of texts sent on",
    "smppDeliveries": "texts that wait for SMPP accounts",
    "receipts": "receipts that belong to nothing yet",
    "parkedReceipts": "receipts put aside",
    "firstAnswers": "answers to repeated requests",
    "oldRoutes": "old versions of routes",
    "messagesNotOver": "messages that are not over",
    "optOuts": "opt-outs",
}
"""What the API calls things, for people."""

app = typer.Typer(no_args_is_help=True, help="Forget people who ask for it.")


@app.callback()
def privacy() -> None:
    """Forget people who ask for it."""


@app.command("delete")
def delete(
    number: Annotated[str, typer.Argument(help="The person's number in E.164.")],
    resource: Annotated[
        str | None, typer.Option(help="In this resource, by id or name; else in the first.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
) -> None:
    """Erase what tells of a person: texts, the number, webhooks about it. It cannot be undone."""
    with told():
        client = Client.of(folder(data))
        identifier = client.resource() if resource is None else find(client, resource)["id"]
        if not yes:
            typer.confirm(f"Erase everything that tells of {number}? It cannot be undone.", abort=True)
        path = f"/admin/resources/{identifier}/privacy:delete"
        report = client.admin("POST", path, {"phoneNumber": number})
    for what, count in report["erased"].items():
        print(f"erased {words(what)}: {count}")
    for what, count in report["kept"].items():
        print(f"kept {words(what)}: {count}")
    for line in report["named"]:
        print(f"still names the number: {line}")
    if report["named"]:
        print("change these rules, then run this again: it takes the number out of their old versions")
    if report["kept"].get("messagesNotOver"):
        print("messages are still on their way: run this again when they are over")


def words(what: str) -> str:
    """Return what the API calls a kind of thing in plain words."""
    return WORDS.get(what) or re.sub(r"([A-Z])", lambda found: f" {found[1].lower()}", what)
