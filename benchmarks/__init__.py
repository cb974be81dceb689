"""Speed of the simulator beside its competitors, as ratios taken in one run.

`python -m benchmarks.simulator --help` says what is measured and how.
"""
