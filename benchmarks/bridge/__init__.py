"""Speed of the training loop on language models; `python -m benchmarks.bridge --help`."""
