import numpy as np

from banditlab.testing import TokenBatch


def make_batch():
    return TokenBatch.of(
        [[-1.0, -2.0], [-0.5, -0.25]],
        [[-1.5, -2.0], [-0.5, -1.0]],
        [1.0, -0.5],
        [[True, False], [True, True]],
    )


def test_each_response_has_one_advantage():
    np.testing.assert_array_equal(make_batch().advantage, [[1.0, 1.0], [-0.5, -0.5]])


def test_all_tokens_count_unless_masked():
    assert TokenBatch.of([[-1.0]], [[-1.0]], [1.0]).mask.all()
    assert not make_batch().mask.all()


def test_ratio_is_new_over_old():
    np.testing.assert_allclose(make_batch().ratio, np.exp([[0.5, 0.0], [0.0, 0.75]]))


def test_arrays_are_copies():
    batch = make_batch()
    for array in batch.arrays():
        array[:] = 0
    np.testing.assert_array_equal(batch.log_prob[0], [-1.0, -2.0])


def test_rows_and_other_arrays():
    batch = make_batch()
    np.testing.assert_array_equal(batch.rows([1]).log_prob, [[-0.5, -0.25]])
    changed = batch.but(log_prob=np.zeros((2, 2)))
    assert not changed.log_prob.any()
    np.testing.assert_array_equal(changed.mask, batch.mask)


def test_the_repr_is_code_that_gives_the_batch_back():
    batch = make_batch()
    odd = batch.but(
        log_prob=np.array([[-1 / 3, np.nan], [-np.inf, 0.1]]), mask=np.ones((2, 2), dtype=bool)
    )
    for one in (batch, odd):
        again = eval(repr(one), {"TokenBatch": TokenBatch})
        for found, expected in zip(again.arrays(), one.arrays(), strict=True):
            np.testing.assert_array_equal(found, expected)
