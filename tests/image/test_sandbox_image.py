"""The sandbox's image."""

from tests.image.containers import SANDBOX, Container, inspected
from tests.support.sandbox_account import World


def test_it_runs_as_a_stranger(sandbox_container: tuple[Container, str]) -> None:
    container, _ = sandbox_container
    assert inspected(SANDBOX)["Config"]["User"] == "65532:65532"
    status = container.status()
    assert set(status["Uid"].split()) == {"65532"}
    assert int(status["CapEff"], 16) == 0


def test_it_has_moto_behind_it(world: World) -> None:
    world.client("s3").create_bucket(
        Bucket=f"image-{world.account}", CreateBucketConfiguration={"LocationConstraint": world.region}
    )
    assert world.ml.list_audience_models()["audienceModels"] == []
