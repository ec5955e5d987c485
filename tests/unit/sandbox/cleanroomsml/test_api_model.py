"""Routes, request targets and statuses, as botocore's model has them."""

from urllib.parse import quote

import pytest
from botocore.model import NoShapeFoundError

from sandbox.cleanroomsml import api_model
from sandbox.cleanroomsml.api_model import origin_form

ARN = "arn:aws:cleanrooms-ml:eu-west-1:111122223333:audience-model/a b"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a/b?c=d", "/a/b?c=d"),
        ("http://h/a%2Fb?c=http://x/y", "/a%2Fb?c=http://x/y"),
        ("HTTP://[::1]:80/a", "/a"),
        ("http://h", "/"),
        ("http://h?x=1", "/?x=1"),
        ("/http://h/a", "/http://h/a"),
        ("*", "*"),
    ],
)
def test_the_origin_form_of_a_target(target: str, path: str) -> None:
    assert origin_form(target) == path


@pytest.mark.parametrize(
    ("method", "path", "operation", "labels"),
    [
        ("GET", "/audience-model", "ListAudienceModels", {}),
        ("GET", "/audience-model/", "ListAudienceModels", {}),
        ("POST", "/audience-model", "CreateAudienceModel", {}),
        ("GET", f"/audience-model/{quote(ARN, safe='')}", "GetAudienceModel", {"audienceModelArn": ARN}),
        ("DELETE", f"/audience-model/{quote(ARN, safe=':')}", "DeleteAudienceModel", {"audienceModelArn": ARN}),
        ("GET", "/audience-model/a%25252Fb", "GetAudienceModel", {"audienceModelArn": "a%252Fb"}),
    ],
)
def test_a_request_line_becomes_an_operation_and_its_labels(
    method: str, path: str, operation: str, labels: dict[str, str]
) -> None:
    found = api_model.match(method, path)
    assert found is not None
    assert (found[0].name, found[1]) == (operation, labels)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/audience-model"),
        ("get", "/audience-model"),
        ("GET", ""),
        ("GET", "/"),
        ("GET", "/audience-models"),
        ("GET", "/audience-model/a/b"),
        ("GET", f"/audience-model/{ARN}"),
        ("GET", "/x/audience-model"),
    ],
)
def test_another_method_or_path_is_no_operation(method: str, path: str) -> None:
    assert api_model.match(method, path) is None


@pytest.mark.parametrize("operation", api_model.service_model().operation_names)
def test_every_operation_is_found_by_its_own_route_and_no_other(operation: str) -> None:
    http = api_model.service_model().operation_model(operation).http
    path = http["requestUri"].replace("{", "").replace("}", "")
    matching = [each for each in api_model.routes() if each.method == http["method"] and each.path.fullmatch(path)]
    assert [each.operation.name for each in matching] == [operation]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ValidationException", 400),
        ("AccessDeniedException", 403),
        ("ResourceNotFoundException", 404),
        ("ConflictException", 409),
        ("ServiceQuotaExceededException", 402),
        ("ThrottlingException", 429),
    ],
)
def test_statuses_of_errors(code: str, status: int) -> None:
    assert api_model.error_status(code) == status


def test_an_error_that_the_model_lacks_has_no_status() -> None:
    with pytest.raises(NoShapeFoundError):
        api_model.error_status("BananaException")
