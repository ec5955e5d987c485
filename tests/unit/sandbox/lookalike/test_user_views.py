"""The views of every user, against what they are defined as."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse

from sandbox.lookalike import user_views as views

TABLE = sparse.csr_matrix(np.array([[1, 0, 2], [0, 0, 0], [3, 4, 0], [5, 0, 0]], dtype=np.float32))
ACTIVITY = np.log1p(np.array([[2.0], [0.0], [2.0], [1.0]]))


def random_table(users: int = 80, items: int = 70) -> sparse.csr_matrix:
    rng = np.random.default_rng(0)
    return sparse.random(users, items, density=0.2, random_state=rng, format="csr", dtype=np.float32)


def test_repeats_count_logarithmically_and_order_leaves_no_trace() -> None:
    users, items = np.array([0, 0, 0, 1, 2]), np.array([1, 1, 0, 0, 2])
    found = views.strengths(users, items, (4, 3))
    twice = 1 + np.log(2)
    np.testing.assert_allclose(found.toarray(), [[1, twice, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]], rtol=1e-6)
    turned = views.strengths(users[::-1], items[::-1], (4, 3))
    assert (turned.data.tobytes(), turned.indices.tobytes()) == (found.data.tobytes(), found.indices.tobytes())


def test_rows_get_length_one_and_an_empty_row_stays_empty() -> None:
    found = views.unit_rows(TABLE, 0.0).toarray()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 0, 1, 1], rtol=1e-6)
    np.testing.assert_allclose(found[2], [0.6, 0.8, 0], rtol=1e-6)
    assert TABLE.toarray()[2].tolist() == [3, 4, 0], "the input is left as it was"


def test_an_item_weighs_the_less_the_more_users_met_it() -> None:
    dense = TABLE.toarray() * np.array([3.0, 1.0, 1.0]) ** -0.5
    expected = dense / np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(views.unit_rows(TABLE, 0.5).toarray(), expected, rtol=1e-6)


def test_columns_are_standardised_and_a_constant_one_is_zero() -> None:
    columns = np.array([[1.0, 7.0, 1e9], [2.0, 7.0, 1e9 + 1], [6.0, 7.0, 1e9 + 2]])
    found = views.standardised(columns)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], (columns[:, 0] - 3) / np.std([1, 2, 6]), rtol=1e-6)
    assert found[:, 1].tolist() == [0.0] * 3
    np.testing.assert_allclose(found[:, 2], [-np.sqrt(1.5), 0, np.sqrt(1.5)], rtol=1e-6)


def test_the_view_of_items_is_unit_rows_of_each_part_beside_the_activity() -> None:
    double = sparse.csr_matrix(TABLE.toarray()[:, :2])
    view = views.of_items([TABLE, double], ACTIVITY)
    found = view.rows.toarray()
    assert found.shape == (4, 3 + 2 + 1)
    np.testing.assert_allclose(found[:, :3], views.unit_rows(TABLE, 0.0).toarray(), rtol=1e-6)
    np.testing.assert_allclose(found[:, 3:5], views.unit_rows(double, 0.0).toarray(), rtol=1e-6)
    np.testing.assert_allclose(found[:, 5], 0.1 * views.standardised(ACTIVITY)[:, 0], rtol=1e-6)
    assert view.penalty == pytest.approx(1.5 * views.ITEMS_PENALTY)
    assert views.of_items([TABLE], ACTIVITY).penalty == views.ITEMS_PENALTY
    assert view.weight == views.ITEMS_WEIGHT


def test_features_are_taken_as_they_are() -> None:
    view = views.of_features(np.array([[0.5, -1.0], [2.0, 0.25]]))
    assert view.rows.tolist() == [[0.5, -1.0], [2.0, 0.25]]
    assert view.rows.dtype == np.float32
    assert (view.penalty, view.weight) == (views.FEATURES_PENALTY, views.FEATURES_WEIGHT)


@pytest.mark.parametrize(("brief", "widths"), [(False, [33, 65, 33, 65]), (True, [33, 33])])
def test_records_become_embeddings_and_singular_vectors_each_with_the_activity(brief: bool, widths: list[int]) -> None:
    table = random_table()
    activity = np.log1p(np.diff(table.indptr)[:, None])
    made = [view for make in views.of_records(table, activity, 3, brief) for view in make()]
    assert [view.rows.shape for view in made] == [(80, width) for width in widths]
    for view in made:
        assert (view.rows[:, -1] == views.standardised(activity)[:, 0]).all()
        np.testing.assert_allclose(view.rows.astype(np.float64).mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(view.rows.astype(np.float64).std(axis=0), 1, rtol=1e-4)


def test_a_low_rank_is_the_beginning_of_the_high_one() -> None:
    table = random_table()
    low, high = views.of_records(table, np.zeros((80, 1)), 3)[-1]()
    assert low.rows[:, :32].tobytes() == high.rows[:, :32].tobytes()
    assert [low.penalty, high.penalty] == [penalty for _, penalty in views.SINGULAR_VECTORS]


def test_views_come_out_the_same_in_any_order_of_making() -> None:
    def bytes_of(order: npt.NDArray[np.int64]) -> dict[int, list[bytes]]:
        makers = views.of_records(random_table(), np.zeros((80, 1)), 3)
        return {int(number): [view.rows.tobytes() for view in makers[number]()] for number in order}

    assert bytes_of(np.array([0, 1, 2])) == bytes_of(np.array([2, 0, 1]))


@pytest.mark.parametrize("sparse_rows", [False, True], ids=["dense", "sparse"])
def test_a_view_of_some_users_has_their_rows_and_fits_on_them(sparse_rows: bool) -> None:
    dense = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    view = views.View(sparse.csr_matrix(dense) if sparse_rows else dense, 2.0, 5.0)
    chosen = np.array([19, 3, 4, 0, 7])
    part = view.of(chosen)
    found = part.rows.toarray() if sparse_rows else part.rows
    np.testing.assert_array_equal(found, dense[chosen])
    assert (part.penalty, part.weight) == (2.0, 5.0)
    labels = np.array([1.0, 0, 0, 0, 1])
    alone = views.View(dense[chosen], 2.0).design.fit(labels)
    np.testing.assert_allclose(part.design.fit(labels).weights, alone.weights, rtol=1e-4, atol=1e-6)
