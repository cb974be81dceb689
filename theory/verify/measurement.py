"""What an experiment measured, with all that its statistic needs to know of the sampling.

Shapes: R independent runs, n measured quantities.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from theory.predict.conditions import require


@dataclass(frozen=True)
class Measurement:
    """Measured quantities and how far they scatter.

    Attributes:
        value: measured quantities, shape [n].
        standard_error: their standard errors, shape [n]; 0 where nothing is random.
        degrees: degrees of freedom of Student's t for the standard errors; infinity where they
            are known or from many runs.
        correlation: correlation of the quantities, shape [n, n]; None where they are independent.
        num_trials: trials behind each quantity that is a share of hits, shape [n]; else None.
        num_samples: samples counted into the shares of cells, 0 where the quantities are none.
        samples: the runs' own values, shape [R, n], for a picture; None where there are none.
    """

    value: np.ndarray
    standard_error: np.ndarray
    degrees: float = np.inf
    correlation: np.ndarray | None = None
    num_trials: np.ndarray | None = None
    num_samples: int = 0
    samples: np.ndarray | None = None

    @classmethod
    def exact(cls, value: ArrayLike) -> "Measurement":
        """Return a measurement without randomness.

        Args:
            value: measured quantities, any shape.

        Returns:
            The measurement, of standard error 0, flattened.
        """
        value = np.asarray(value, dtype=np.float64).ravel()
        return cls(value, np.zeros_like(value))

    @classmethod
    def mean_of_runs(cls, value: ArrayLike) -> "Measurement":
        """Return the mean over independent runs, with standard errors and correlations.

        Args:
            value: one row per run, shape [R] or [R, n]; R above n + 1.

        Returns:
            The measurement, shape [n] (1 for a vector of runs).

        Raises:
            ValueError: there are too few runs, a quantity is the same in all of them, or one
                follows from the others.
        """
        value = np.asarray(value, dtype=np.float64)
        value = value.reshape(len(value), -1)
        num_runs, size = value.shape
        require(
            num_runs > size + 1,
            "Measurement.mean_of_runs",
            "value",
            f"of more than {size + 1} runs for {size} quantities",
            f"{num_runs} runs",
            "Raise the size of the experiment",
        )
        error = value.std(axis=0, ddof=1) / np.sqrt(num_runs)
        require(
            not (error == 0.0).any(),
            "Measurement.mean_of_runs",
            "value",
            "different from run to run in every quantity",
            f"quantity {int(np.argmin(error))} the same in all {num_runs} runs",
            "Take Measurement.exact for what is not random, or more runs",
        )
        correlation = np.corrcoef(value, rowvar=False) if size > 1 else None
        require(
            correlation is None or np.linalg.matrix_rank(correlation, hermitian=True) == size,
            "Measurement.mean_of_runs",
            "value",
            "of quantities none of which follows from the others",
            f"{size} quantities that are collinear",
            "Drop one, e.g. the last of shares that sum to 1",
        )
        mean = value.mean(axis=0)
        return cls(mean, error, float(num_runs - 1), correlation, samples=value)

    @classmethod
    def estimates(
        cls, value: ArrayLike, standard_error: ArrayLike, degrees: float = np.inf
    ) -> "Measurement":
        """Return independent estimates with their standard errors, e.g. fitted exponents.

        Args:
            value: estimates, shape [n].
            standard_error: their standard errors, shape [n].
            degrees: degrees of freedom of the standard errors.

        Returns:
            The measurement.
        """
        value = np.atleast_1d(np.asarray(value, dtype=np.float64))
        error = np.broadcast_to(np.asarray(standard_error, dtype=np.float64), value.shape)
        return cls(value, error, degrees)

    @classmethod
    def share(cls, num_hits: ArrayLike, num_trials: ArrayLike) -> "Measurement":
        """Return independent shares of hits among trials, each with its binomial error.

        Args:
            num_hits: hits, shape [n].
            num_trials: trials, shape [n] or one number.

        Returns:
            The measurement, judged by the exact binomial law; its standard errors are those of a
            share of (hits + 1)/(trials + 2), so that none is 0.
        """
        hits, trials = np.broadcast_arrays(np.atleast_1d(num_hits), num_trials)
        smooth = (hits + 1.0) / (trials + 2.0)
        error = np.sqrt(smooth * (1.0 - smooth) / trials)
        return cls(hits / trials, error, num_trials=trials)

    @classmethod
    def shares(cls, counts: ArrayLike) -> "Measurement":
        """Return how samples fall into cells that exclude each other and cover all.

        Args:
            counts: samples in each cell, shape [n].

        Returns:
            The measurement: shares of sum 1.

        Raises:
            ValueError: there are fewer than two cells, or no samples.
        """
        counts = np.asarray(counts)
        num = int(counts.sum())
        require(
            counts.size >= 2 and num > 0,
            "Measurement.shares",
            "counts",
            "of two cells or more and above 0 in one",
            counts.tolist(),
            "Count what falls elsewhere into a last cell",
        )
        share = counts / num
        return cls(share, np.sqrt(share * (1.0 - share) / num), num_samples=num)

    @classmethod
    def joined(cls, *parts: "Measurement") -> "Measurement":
        """Join measurements of independent experiments.

        Args:
            *parts: measurements of one quantity each, or of independent ones; either all of them
                shares of hits, or none; no shares of cells.

        Returns:
            One measurement of all quantities, the fewest degrees of freedom deciding.

        Raises:
            ValueError: the quantities of a part are correlated, or shares and means are mixed.
        """
        are_hits = [part.num_trials is not None for part in parts]
        require(
            all(part.correlation is None and part.num_samples == 0 for part in parts)
            and len(set(are_hits)) == 1,
            "Measurement.joined",
            "parts",
            "of independent quantities, all of them shares of hits or none",
            "a part whose quantities are correlated, or of another kind",
            "Make it a claim of its own",
        )
        return cls(
            np.concatenate([part.value for part in parts]),
            np.concatenate([part.standard_error for part in parts]),
            min(part.degrees for part in parts),
            num_trials=np.concatenate([part.num_trials for part in parts])
            if all(are_hits)
            else None,
        )
