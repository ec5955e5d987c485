"""Ridge-penalised logistic regression for "seed against everyone else", by truncated Newton steps.

It minimises ``sum(log loss) + penalty / 2 * |w|²`` (the intercept is free) with conjugate gradients inside Newton, so
the design is only ever multiplied: dense and sparse designs share the code, and a fit on MovieLens-100k takes
about 2 ms. Pure and deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

Vector = npt.NDArray[np.float64]

NEWTON_STEPS = 30
GRADIENT_STEPS = 50
TOLERANCE = 1e-3
"""Stop when the gradient is this fraction of the first one; ranking quality is flat well above it."""


@dataclass(frozen=True, slots=True)
class Design:
    """Rows to be scored, with the transpose kept so that it is made once per model and not once per seed.

    Attributes:
        rows: (users, features), dense or CSR, float64.
        columns: the transpose, in a layout which multiplies fast.
        penalty: ridge strength which suits the features' scale.
    """

    rows: Any
    columns: Any
    penalty: float

    def margins(self, labels: Vector) -> Vector:
        """Fit ``labels`` (users,; 1 = seed) and return every user's log odds *above the base rate* (users,)."""
        weights, intercept = self._fit(labels)
        base = _log_odds(labels)
        result: Vector = self.rows @ weights + (intercept - base)
        return result

    def _fit(self, labels: Vector) -> tuple[Vector, float]:
        weights: Vector = np.zeros(self.rows.shape[1])
        intercept, first = _log_odds(labels), 0.0
        for _ in range(NEWTON_STEPS):
            chance: Vector = expit(self.rows @ weights + intercept)
            error = chance - labels
            gradient = np.append(self.columns @ error + self.penalty * weights, error.sum())
            size = float(np.linalg.norm(gradient))
            first = first or size
            if size <= TOLERANCE * first:
                break
            step = self._newton_step(gradient, chance * (1 - chance), size, first)
            weights = weights + step[:-1]
            intercept += float(step[-1])
        return weights, intercept

    def _newton_step(self, gradient: Vector, curvature: Vector, size: float, first: float) -> Vector:
        """Solve ``H step = -gradient`` roughly; the rougher, the further from the minimum."""
        enough = min(0.25, float(np.sqrt(size / first))) * size
        step = np.zeros_like(gradient)
        residual = -gradient
        direction = residual.copy()
        energy = float(residual @ residual)
        for _ in range(GRADIENT_STEPS):
            bent = self._hessian(direction, curvature)
            length = energy / float(direction @ bent)
            step += length * direction
            residual -= length * bent
            following = float(residual @ residual)
            if following <= enough * enough:
                break
            direction = residual + (following / energy) * direction
            energy = following
        return step

    def _hessian(self, direction: Vector, curvature: Vector) -> Vector:
        pushed = curvature * (self.rows @ direction[:-1] + direction[-1])
        return np.append(self.columns @ pushed + self.penalty * direction[:-1], pushed.sum())


def design(rows: Any, penalty: float) -> Design:
    """Prepare rows (users, features), dense or sparse, for many fits."""
    if hasattr(rows, "tocsr"):
        kept = rows.tocsr().astype(np.float64)
        return Design(kept, kept.T.tocsr(), penalty)
    dense = np.ascontiguousarray(rows, dtype=np.float64)
    return Design(dense, dense.T, penalty)


def _log_odds(labels: Vector) -> float:
    """Log odds of the mean label, kept finite when every label is the same."""
    mean = float(np.clip(labels.mean(), 0.5 / len(labels), 1 - 0.5 / len(labels)))
    return float(np.log(mean / (1 - mean)))
