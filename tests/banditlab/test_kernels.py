"""The class kernel against the full matrix over all arms of all contexts."""

import tracemalloc

import numpy as np
import pytest
import scipy.linalg
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from banditlab.arm_spaces import rare_correct
from banditlab.kernels import ClassKernel, log_odds_kernel, require_linear_optimizer
from banditlab.lumped.policy import LumpedSoftmax
from banditlab.optimizers import SGD, Adam, Momentum
from banditlab.softmax import DenseSoftmax

SELF_PARTS = st.sampled_from([0.0, 0.3, 1.0, 4.0])


def full_matrix(kernel: ClassKernel, counts: np.ndarray) -> np.ndarray:
    """Kernel between all arms of all contexts, entry by entry from its definition."""
    arms = [
        (context, arm_class)
        for context, row in enumerate(counts)
        for arm_class, count in enumerate(row)
        for _ in range(count)
    ]
    matrix = np.zeros((len(arms), len(arms)))
    for b, (context_b, class_b) in enumerate(arms):
        for a, (context_a, class_a) in enumerate(arms):
            if a == b:
                matrix[b, a] += kernel.self_part
            if kernel.within_context is not None and context_a == context_b:
                matrix[b, a] += kernel.within_context[class_b, class_a]
            if kernel.across_contexts is not None:
                matrix[b, a] += kernel.across_contexts[class_b, class_a]
    return matrix


def smallest_eigenvalue(matrix: np.ndarray) -> float:
    return float(scipy.linalg.eigvalsh(matrix)[0])


def is_taken(kernel: ClassKernel, counts: np.ndarray) -> bool:
    try:
        kernel.require_fit(np.log(counts.astype(float)))
    except ValueError as error:
        if "positive semi-definite" not in str(error):
            raise
        return False
    return True


@st.composite
def symmetric(draw, num_classes: int, is_positive: bool) -> np.ndarray:
    entries = draw(st.lists(st.floats(-2, 2), min_size=num_classes**2, max_size=num_classes**2))
    matrix = np.array(entries).round(3).reshape(num_classes, num_classes)
    return matrix @ matrix.T if is_positive else matrix + matrix.T


@st.composite
def kernels_with_counts(draw, has_equal_contexts: bool):
    num_classes, num_contexts = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    row = st.lists(st.integers(1, 4), min_size=num_classes, max_size=num_classes)
    if has_equal_contexts:
        counts = np.tile(draw(row), (num_contexts, 1))
    else:
        counts = np.array([draw(row) for _ in range(num_contexts)])
    parts = [
        draw(st.none() | symmetric(num_classes, draw(st.booleans()))) for _ in ("within", "across")
    ]
    return ClassKernel(draw(SELF_PARTS), *parts), counts


@given(kernels_with_counts(has_equal_contexts=True))
@settings(max_examples=200)
def test_the_classes_decide_as_the_matrix_of_all_arms_does(drawn):
    kernel, counts = drawn
    full = smallest_eigenvalue(full_matrix(kernel, counts))
    assume(full < -1e-6 or full > -1e-12)
    assert is_taken(kernel, counts) == (full > -1e-9)


@given(kernels_with_counts(has_equal_contexts=False))
@settings(max_examples=200)
def test_with_different_counts_no_indefinite_kernel_is_taken(drawn):
    kernel, counts = drawn
    if is_taken(kernel, counts):
        assert smallest_eigenvalue(full_matrix(kernel, counts)) > -1e-9


@pytest.mark.parametrize("num_contexts", [1, 3])
def test_kernels_between_what_the_mutants_would_take(num_contexts):
    """Mutants: the self part not divided by the count; across not times the contexts."""
    counts = np.full((num_contexts, 2), 10)
    for strength, is_good in ((0.099, True), (0.101, False)):
        kernel = ClassKernel(1.0, within_context=np.diag([0.0, -strength]))
        assert is_taken(kernel, counts) == is_good
        assert (smallest_eigenvalue(full_matrix(kernel, counts)) > -1e-9) == is_good
        across = np.diag([0.0, -strength / num_contexts])
        kernel = ClassKernel(1.0, across_contexts=across)
        assert is_taken(kernel, counts) == is_good
        assert (smallest_eigenvalue(full_matrix(kernel, counts)) > -1e-9) == is_good


def test_a_single_context_may_be_carried_by_what_it_shares():
    """Within alone is negative: allowed with one context, where only the sum acts."""
    kernel = ClassKernel(0.0, within_context=np.array([[-1.0]]), across_contexts=np.array([[1.5]]))
    assert is_taken(kernel, np.array([[2]]))
    assert not is_taken(kernel, np.array([[2], [2]]))


def test_the_message_names_the_smallest_eigenvalue():
    kernel = ClassKernel(1.0, within_context=np.array([[0.0, 2.0], [2.0, 0.0]]))
    with pytest.raises(
        ValueError,
        match=r"^ClassKernel\.require_fit: `kernel` must be positive semi-definite on the classes, "
        r"got smallest eigenvalue -1\.5\. Take kernel\.projected\(log_count\)",
    ):
        kernel.require_fit(np.log([[2.0, 2.0]]))


def test_counts_beyond_float64_leave_nothing_of_the_self_part():
    within = np.array([[1.0, 1.0], [1.0, 1.0]])
    ClassKernel(1.0, within).require_fit(np.full((1, 2), 2.3e5))
    with pytest.raises(ValueError, match=r"smallest eigenvalue -1e-06"):
        ClassKernel(1.0, within - 1e-6 * np.eye(2)).require_fit(np.full((1, 2), 2.3e5))


# projection


def clipped(matrix: np.ndarray) -> np.ndarray:
    value, vector = scipy.linalg.eigh(matrix)
    return vector @ np.diag(np.clip(value, 0.0, None)) @ vector.T


@given(kernels_with_counts(has_equal_contexts=False))
@settings(max_examples=200)
def test_the_projection_clips_the_eigenvalues_of_each_matrix_in_turn(drawn):
    kernel, counts = drawn
    num_contexts, num_classes = counts.shape
    found, distance = kernel.projected(np.log(counts.astype(float)))
    zero = np.zeros((num_classes, num_classes))
    within, across = (
        zero if part is None else part for part in (kernel.within_context, kernel.across_contexts)
    )
    alone = within + np.diag(kernel.self_part / counts.max(axis=0))
    if num_contexts == 1:
        alone = alone + across
    moved_within = zero if kernel.within_context is None else clipped(alone) - alone
    together = alone + moved_within + (num_contexts * across if num_contexts > 1 else 0.0)
    moved_across = zero if kernel.across_contexts is None else clipped(together) - together
    moved_across = moved_across / num_contexts
    for part, expected in (
        (found.within_context, within + moved_within),
        (found.across_contexts, across + moved_across),
    ):
        np.testing.assert_allclose(zero if part is None else part, expected, atol=1e-12)
    expected = np.sqrt((moved_within**2).sum() + (moved_across**2).sum())
    assert distance == pytest.approx(expected, abs=1e-12)
    assert found.self_part == kernel.self_part
    # What comes out fits, and needs no second projection.
    assert is_taken(found, counts)
    again, further = found.projected(np.log(counts.astype(float)))
    assert further < 1e-12 * max(1.0, num_contexts * np.abs(together).max())
    assert again.is_tabular == found.is_tabular == kernel.is_tabular


@given(symmetric(3, is_positive=False), st.integers(0, 2**32 - 1))
def test_no_other_semi_definite_kernel_lies_nearer(within, seed):
    counts = np.array([[2, 3, 5]])
    kernel = ClassKernel(0.4, within_context=within)
    found, distance = kernel.projected(np.log(counts.astype(float)))
    rng = np.random.default_rng(seed)
    for size in (1e-3, 1e-1, 1.0):
        root = rng.standard_normal((3, 3)) * size
        for base in (found.within_context, within):
            other = base + 0.5 * (root + root.T)
            if is_taken(ClassKernel(0.4, other), counts):
                assert np.linalg.norm(other - within) >= distance - 1e-9


def test_a_semi_definite_kernel_is_its_own_projection():
    within = np.array([[3.0, -0.5], [-0.5, 2.0]])
    across = np.array([[0.8, -0.3], [-0.3, 0.5]])
    kernel = ClassKernel(0.7, within, across)
    found, distance = kernel.projected(np.log([[5.0, 7.0], [2.0, 9.0]]))
    assert distance < 1e-14
    np.testing.assert_allclose(found.within_context, within, rtol=1e-14)
    np.testing.assert_allclose(found.across_contexts, across, rtol=1e-14)


def test_a_tabular_kernel_is_its_own_projection():
    kernel, distance = ClassKernel(0.7).projected(np.zeros((2, 3)))
    assert (kernel, distance) == (ClassKernel(0.7), 0.0)


# refusals


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: ClassKernel(-1.0),
            r"^ClassKernel: `self_part` must be a finite number in \[0, in",
        ),
        (lambda: ClassKernel(np.nan), r"^ClassKernel: `self_part` must be a finite number"),
        (
            lambda: ClassKernel(1.0, across_contexts=np.array([[1.0, 0.5], [0.0, 1.0]])),
            r"`across_contexts` must be a symmetric matrix \[C, C\], got shape \(2, 2\)\. Average",
        ),
        (
            lambda: ClassKernel(1.0, within_context=np.ones((2, 3))),
            r"`within_context` must be a symmetric matrix \[C, C\], got shape \(2, 3\)",
        ),
        (lambda: ClassKernel(1.0, within_context=np.ones(2)), r"`within_context` must be a symme"),
        (
            lambda: ClassKernel(1.0, across_contexts=np.diag([1.0, np.inf])),
            r"`across_contexts` must be finite, got a NaN or an infinity\. Measure it again",
        ),
        (
            lambda: ClassKernel(1.0, within_context=np.diag([1.0, np.nan])),
            r"`within_context` must be finite, got a NaN",
        ),
        (
            lambda: ClassKernel(1.0, within_context=np.eye(3)).require_fit(np.zeros((1, 2))),
            r"^ClassKernel\.require_fit: `within_context` must be of shape \[2, 2\], one row per "
            r"class, got \(3, 3\)\. Give one row",
        ),
        (
            lambda: ClassKernel(1.0, across_contexts=np.eye(3)).projected(np.zeros((1, 2))),
            r"^ClassKernel\.projected: `across_contexts` must be of shape \[2, 2\]",
        ),
        (lambda: log_odds_kernel(-1.0), r"^log_odds_kernel: `strength` must be a finite number in"),
        (lambda: log_odds_kernel(float("inf")), r"^log_odds_kernel: `strength` must be a finite"),
    ],
)
def test_impossible_kernels_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_kernel_can_no_longer_be_changed():
    matrix = np.eye(2)
    kernel = ClassKernel(1.0, within_context=matrix)
    matrix[0, 1] = 9.0
    np.testing.assert_array_equal(kernel.within_context, np.eye(2))
    with pytest.raises(ValueError, match="read-only"):
        kernel.within_context[0, 0] = 2.0


@pytest.mark.parametrize(
    "kernel",
    [
        ClassKernel(1.0, within_context=np.eye(2)),
        ClassKernel(1.0, across_contexts=np.eye(2)),
        ClassKernel(0.0, np.eye(2), np.eye(2)),
    ],
)
@pytest.mark.parametrize("policy", [DenseSoftmax, LumpedSoftmax])
def test_correlated_arms_and_adam_are_refused_by_each_policy(kernel, policy):
    problem = rare_correct(1, 0.1, kernel=kernel)
    with pytest.raises(
        ValueError,
        match=rf"^{policy.__name__}: `optimizer` must be SGD or momentum where arms are correlated "
        r"by a class kernel, got Adam\. Adam rescales logit by logit",
    ):
        policy(problem, 2, Adam(0.1))
    policy(problem, 2, Momentum(0.1))


def test_a_tabular_kernel_goes_with_every_optimizer():
    for optimizer in (SGD(0.1), Momentum(0.1), Adam(0.1)):
        require_linear_optimizer("f", ClassKernel(0.5), optimizer)


def test_log_odds_move_by_the_strength():
    matrix = log_odds_kernel(3.0)
    np.testing.assert_allclose(matrix, 0.75 * np.array([[1, -1], [-1, 1]]), rtol=1e-15)
    # A step on a correct arm, with pass rate 0.2: e_correct - policy = (0.8, -0.8) by class.
    change = matrix @ np.array([0.8, -0.8])
    assert change[0] - change[1] == pytest.approx(3.0 * 0.8, rel=1e-15)


def test_a_tabular_kernel_needs_no_matrix_of_classes():
    """Explicit rewards have a class for each arm, of which there may be many."""
    log_count = np.zeros((1, 2000))
    tracemalloc.start()
    try:
        ClassKernel(0.5).require_fit(log_count)
        assert ClassKernel(0.5).projected(log_count) == (ClassKernel(0.5), 0.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < log_count.size**2
