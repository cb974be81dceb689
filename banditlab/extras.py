"""Libraries that come with an extra of the package, and the answer where one is missing."""

EXTRA_OF = {
    "torch": "llm",
    "transformers": "llm",
    "datasets": "llm",
    "math_verify": "llm",
    "pebble": "llm",
    "psutil": "llm",
    "tokenizers": "llm",
    "tensorboard": "tensorboard",
    "matplotlib": "figures",
    "dask": "cluster",
    "distributed": "cluster",
    "mabwiser": "bench",
    "hypothesis": "testing",
    "pytest": "testing",
}
"""Module -> extra."""

SIGN_OF = {
    "llm": "transformers",
    "tensorboard": "tensorboard",
    "figures": "matplotlib",
    "cluster": "distributed",
    "bench": "mabwiser",
    "testing": "hypothesis",
    "test": "array_api_strict",
}
"""Extra -> the module that tells whether it is installed."""


def explain(error: Exception) -> str:
    """One sentence on an error; a missing library is answered with the extra that brings it.

    Args:
        error: the error.

    Returns:
        The sentence.

    Examples:
        >>> explain(ModuleNotFoundError("No module named 'dask'", name="dask"))
        'dask is not installed. Remedy: pip install "banditlab[cluster]".'
    """
    extra = EXTRA_OF.get((getattr(error, "name", None) or "").partition(".")[0])
    if isinstance(error, ModuleNotFoundError) and extra:
        return f'{error.name} is not installed. Remedy: pip install "banditlab[{extra}]".'
    return str(error)
