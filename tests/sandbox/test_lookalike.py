"""The lookalike model: properties for any data, and quality on MovieLens against the baselines."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from threadpoolctl import threadpool_limits

from benchmarks import lookalike as benchmark
from sandbox import als, features, lookalike, metrics, movielens
from sandbox.logistic import design
from sandbox.lookalike import Interactions


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in the jobs; on busy machines BLAS threads only wait for one another."""
    with threadpool_limits(1):
        yield


def small(seed: int, users: int = 40, items: int = 15, records: int = 300) -> Interactions:
    rng = np.random.default_rng(seed)
    return Interactions(rng.integers(0, users, records), rng.integers(0, items, records), users, items)


def two_camps(users: int = 200) -> tuple[Interactions, npt.NDArray[np.int64]]:
    """Even users like the first ten items, odd users the last ten."""
    rng = np.random.default_rng(1)
    who = np.repeat(np.arange(users), 6)
    items = rng.integers(0, 10, len(who)) + 10 * (who % 2)
    return Interactions(who, items, users, 20), np.arange(0, users, 2)


def test_scores_tell_two_camps_apart() -> None:
    data, evens = two_camps()
    scores = lookalike.score(lookalike.learn(data, 0), evens[:30])
    assert scores[evens].min() > scores[1::2].max()


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = (lookalike.learn(small(3), 11) for _ in range(2))
    assert first.embedding.tobytes() == second.embedding.tobytes()
    chosen = np.arange(8)
    assert lookalike.score(first, chosen).tobytes() == lookalike.score(second, chosen).tobytes()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.randoms(use_true_random=False))
def test_the_order_of_records_leaves_no_trace(seed: int, shuffle: object) -> None:
    data = small(seed)
    order = np.random.default_rng(seed + 1).permutation(len(data.users))
    mixed = Interactions(data.users[order], data.items[order], data.user_count, data.item_count)
    first, second = lookalike.learn(data, 0), lookalike.learn(mixed, 0)
    assert first.embedding.tobytes() == second.embedding.tobytes()
    assert first.items.data.tobytes() == second.items.data.tobytes()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sets(st.integers(0, 39), min_size=2, max_size=40), st.booleans())
def test_ranking_and_relevance_hold_for_any_seed(seed: int, members: set[int], include: bool) -> None:
    model = lookalike.learn(small(seed), seed)
    chosen = np.array(sorted(members))
    scores = lookalike.score(model, chosen)
    assert ((scores >= 0) & (scores <= 1)).all()
    ranked = lookalike.best_first(scores, chosen, include)
    assert len(set(ranked.tolist())) == len(ranked) == (40 if include else 40 - len(members))
    if include:
        assert set(ranked[: len(members)].tolist()) == members
    else:
        assert (np.diff(scores[ranked]) <= 0).all()
    relevance = lookalike.relevance(scores, chosen, range(1, 60))
    assert all(0 <= value <= 1 for value in relevance)
    assert relevance == sorted(relevance, reverse=True)


@pytest.mark.parametrize(
    ("size_type", "value", "rows"),
    [("ABSOLUTE", 7, 7), ("PERCENTAGE", 5, 47), ("PERCENTAGE", 100, 943), ("PERCENTAGE", 0, 1)],
)
def test_sizes_become_rows(size_type: str, value: int, rows: int) -> None:
    assert lookalike.audience_rows(size_type, value, 943) == rows


def test_an_unknown_size_type_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        lookalike.audience_rows("DOZENS", 1, 10)


def test_relevance_of_nobody_is_zero() -> None:
    assert lookalike.relevance(np.full(4, 0.5), np.arange(4), [1, 2]) == [0.0, 0.0]


def test_users_without_interactions_are_ranked_too() -> None:
    data = Interactions(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), 4, 3)
    model = lookalike.learn(data, 0)
    scores = lookalike.score(model, np.array([0, 1]))
    assert np.isfinite(scores).all()
    assert scores[:2].min() > scores[2:].max()


def test_features_help_when_they_carry_the_answer() -> None:
    data = small(5, users=300, items=30, records=3000)
    club = np.arange(0, 300, 3)
    flag = np.isin(np.arange(300), club).astype(np.float64)[:, None]
    seed, hidden = club[:50], club[50:]
    informed = Interactions(data.users, data.items, 300, 30, flag)
    others = np.setdiff1d(np.arange(300), seed)
    positive = np.isin(others, hidden)
    plain, better = (
        metrics.auc(lookalike.score(lookalike.learn(each, 0), seed)[others], positive) for each in (data, informed)
    )
    assert better > 0.85
    assert plain < 0.7


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 12))
def test_als_with_enough_steps_reaches_the_least_squares_solution(seed: int, users: int, factors: int) -> None:
    rng = np.random.default_rng(seed)
    strengths = sparse.random(users, 20, density=0.2, random_state=rng, format="csr", dtype=np.float32)
    knobs = als.Settings(factors=factors, iterations=1, steps=3 * factors + 5, confidence=2.0, penalty=5.0)
    found, _ = als.factorise(strengths, knobs, 4)
    start = np.random.default_rng(4).normal(0.0, 0.01, (20, factors)).astype(np.float32).astype(np.float64)
    for row in range(users):
        extra = 2.0 * strengths[[row]].toarray()[0]
        normal = start.T @ start + start.T @ (extra[:, None] * start) + 5.0 * np.eye(factors)
        exact = np.linalg.solve(normal, start.T @ np.where(extra > 0, extra + 1, 0))
        np.testing.assert_allclose(found[row], exact, rtol=1e-3, atol=1e-5)


def test_als_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = sparse.random(300, 40, density=0.1, random_state=np.random.default_rng(2), format="csr", dtype=np.float32)
    whole, _ = als.factorise(matrix, als.Settings(), 0)
    monkeypatch.setattr(als, "BLOCK_RECORDS", 7)
    pieces, _ = als.factorise(matrix, als.Settings(), 0)
    np.testing.assert_allclose(whole, pieces, rtol=1e-3, atol=1e-5)


def test_logistic_finds_the_penalised_optimum_dense_and_sparse() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 6))
    labels = (rows[:, 0] + rng.normal(size=120) > 0.8).astype(np.float64)
    dense, thin = design(rows, 2.0), design(sparse.csr_matrix(rows), 2.0)
    np.testing.assert_allclose(dense.margins(labels), thin.margins(labels), rtol=1e-6, atol=1e-9)
    base = np.log(labels.mean() / (1 - labels.mean()))
    chance = 1 / (1 + np.exp(-(dense.margins(labels) + base)))
    assert abs((chance - labels).sum()) < 0.05


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_logistic_survives_labels_which_are_all_the_same(label: float) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 3))
    assert np.isfinite(design(rows, 1.0).margins(np.full(20, label))).all()


def test_numerical_features_average_what_is_known() -> None:
    users, values = np.array([0, 0, 1, 1]), np.array([1.0, 3.0, np.nan, 8.0])
    assert features.numerical(users, values, 3).ravel().tolist() == [2.0, 8.0, 4.0]
    assert features.numerical(users, np.full(4, np.nan), 3).ravel().tolist() == [0.0, 0.0, 0.0]


def test_categorical_features_are_shares_of_the_most_frequent() -> None:
    shares = features.categorical(np.array([0, 0, 1, 1]), ["tv", "phone", "tv", None], 3)
    assert shares.tolist() == [[0.5, 0.5], [0.5, 0.0], [0.0, 0.0]]
    many = features.categorical(np.arange(100), [str(number) for number in range(100)], 100)
    assert many.shape == (100, features.MOST_CATEGORIES)
    assert features.categorical(np.array([0]), [None], 1).shape == (1, 0)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_is_the_chance_that_a_positive_outranks_a_negative(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in pairs])
    positive = np.array([flag for _, flag in pairs])
    if positive.all() or not positive.any():
        with pytest.raises(ValueError, match="at least one"):
            metrics.auc(scores, positive)
        return
    duels = scores[positive][:, None] - scores[~positive][None, :]
    assert metrics.auc(scores, positive) == pytest.approx(float(((duels > 0) + 0.5 * (duels == 0)).mean()))


@pytest.mark.parametrize("size", [30, 400, 2000])
def test_held_out_recall_of_an_oracle_and_of_noise(size: int) -> None:
    seed, noise = np.arange(size), np.random.default_rng(0)
    oracle = metrics.held_out_recall(lambda _: (np.arange(5000) < size).astype(np.float64), 5000, seed, 1)
    random = metrics.held_out_recall(lambda _: noise.random(5000), 5000, seed, 1, splits=20)
    assert oracle == 1.0
    assert 0.1 < random < 0.3


def test_quality_on_fresh_films_meets_the_goals() -> None:
    task = benchmark.taste_task("fresh films", 100)
    table = benchmark.evaluate(task, splits=2)
    area, _, recall, lift = table["lookalike"]
    assert area >= 0.85
    assert recall >= 0.67
    assert lift >= 5.2
    for baseline in ("random", "activity", "cosine TF-IDF"):
        assert (table["lookalike"] > table[baseline]).all()
    claimed, true = benchmark.metric_error(task, splits=2)
    assert abs(claimed - true) <= 0.06


def test_quality_on_people_meets_the_goals() -> None:
    table = benchmark.evaluate(benchmark.people_task(), splits=3)
    area, _, recall, _ = table["lookalike"]
    assert area >= 0.67
    assert recall >= 0.39
    for baseline in ("random", "activity", "cosine TF-IDF"):
        assert (table["lookalike"] > table[baseline]).all()


def test_training_on_movielens_is_quick() -> None:
    data = benchmark.as_interactions(movielens.interactions())
    began = time.process_time()
    lookalike.learn(data, 0)
    assert time.process_time() - began < 5
