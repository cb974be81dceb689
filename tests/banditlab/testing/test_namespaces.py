import array_api_strict
import numpy as np
import pytest
import torch

from banditlab.testing.namespaces import as_numpy, dtype_of, is_installed, namespace_of, native

VALUES = np.array([[1.0, -0.5], [0.25, 2.0]])


@pytest.mark.parametrize(
    ("namespace", "kind"),
    [
        ("numpy", np.ndarray),
        ("torch", torch.Tensor),
        ("array_api_strict", type(array_api_strict.asarray(0.0))),
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_arrays_of_every_namespace_are_copies(namespace, kind, dtype):
    given = VALUES.copy()
    array = native(given, namespace, dtype)
    assert isinstance(array, kind)
    assert namespace_of(array) == namespace
    assert dtype_of(array) == dtype
    array[0, 0] = 9.0
    np.testing.assert_array_equal(given, VALUES)
    back = as_numpy(array)
    assert back.dtype == np.float64
    back[0, 0] = 1.0
    np.testing.assert_array_equal(back, VALUES)
    assert as_numpy(array)[0, 0] == 9.0


@pytest.mark.parametrize("namespace", ["numpy", "torch", "array_api_strict"])
def test_truth_values_stay_truth_values(namespace):
    mask = np.array([True, False])
    array = native(mask, namespace, "float32")
    assert dtype_of(array) == "bool"
    array[0] = False
    assert mask[0]


def test_bfloat16_and_graphs_come_back_as_float64():
    array = native(VALUES, "torch", "bfloat16").requires_grad_()
    assert dtype_of(array) == "bfloat16"
    np.testing.assert_array_equal(as_numpy(array), VALUES)


def test_what_is_installed():
    assert is_installed("numpy")
    assert not is_installed("a_library_that_nobody_wrote")
