"""Long-running operations."""

import msgspec
import pytest

from telephony.kernel.http.errors import ErrorDetail
from telephony.kernel.http.longrunning import (
    OperationKind,
    OperationStatus,
    accepted,
    operation_id,
    parse_operation_id,
    progress,
)
from telephony.kernel.ids import from_text
from tests.support.clock import START

pytestmark = pytest.mark.unit
GUID = "01890a5d-ac96-774b-bcce-b302099a8057"


def test_the_first_reply_says_where_to_ask() -> None:
    identifier = operation_id(OperationKind.SEARCH, GUID)
    reply = accepted(
        OperationKind.SEARCH,
        identifier,
        version="2025-06-01",
        result_id=GUID,
        location="/availablePhoneNumbers/x",
    )
    assert (reply.status, reply.body) == (202, None)
    assert reply.headers == {
        "Operation-Location": f"/phoneNumbers/operations/search_{GUID}?api-version=2025-06-01",
        "operation-id": f"search_{GUID}",
        "search-id": GUID,
        "Location": "/availablePhoneNumbers/x",
    }


@pytest.mark.parametrize("kind", list(OperationKind))
def test_every_kind_has_its_header_and_prefix(kind: OperationKind) -> None:
    reply = accepted(kind, operation_id(kind, GUID), version="1", result_id=GUID)
    assert min(reply.headers) == "Operation-Location"
    assert len(reply.headers) == 3


@pytest.mark.parametrize("kind", list(OperationKind))
def test_an_id_tells_its_kind(kind: OperationKind) -> None:
    assert parse_operation_id(operation_id(kind, GUID)) == (kind, from_text(GUID))


@pytest.mark.parametrize("text", ["", GUID, f"search{GUID}", "search_", f"search_{GUID}0", f"dog_{GUID}"])
def test_what_is_no_id_of_ours_is_known(text: str) -> None:
    assert parse_operation_id(text) is None


def test_a_first_reply_may_say_when_to_ask() -> None:
    reply = accepted(OperationKind.RELEASE, "r", version="1", result_id="r", poll_after=0.0001)
    assert reply.headers["retry-after-ms"] == "1"


def test_a_poll_has_the_documented_body() -> None:
    reply = progress(
        OperationKind.RELEASE,
        OperationStatus.RUNNING,
        "release_1",
        created=START,
        updated=START + 1,
        poll_after=2,
    )
    assert msgspec.to_builtins(reply.body) == {
        "operationType": "releasePhoneNumber",
        "status": "running",
        "createdDateTime": "2026-01-01T00:00:00.000000+00:00",
        "id": "release_1",
        "lastActionDateTime": "2026-01-01T00:00:00.000001+00:00",
    }
    assert reply.headers == {"Retry-After": "2"}


def test_an_end_has_its_result_or_its_error_and_no_retry() -> None:
    done = progress(
        OperationKind.SEARCH,
        OperationStatus.SUCCEEDED,
        "s",
        created=START,
        updated=START,
        location="/r",
        poll_after=2,
    )
    assert done.headers == {"Location": "/r"}
    failed = progress(
        OperationKind.SEARCH,
        OperationStatus.FAILED,
        "s",
        created=START,
        updated=START,
        error=ErrorDetail("OutOfStock", "none left"),
    )
    assert msgspec.to_builtins(failed.body)["error"] == {"code": "OutOfStock", "message": "none left"}
