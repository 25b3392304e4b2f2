"""Long-running operations."""

import msgspec
import pytest

from telephony.kernel.http.errors import ErrorDetail
from telephony.kernel.http.longrunning import OperationKind, OperationStatus, accepted, operation_id, progress
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
