"""Seconds that the check suite takes for each rule of the registry, and its slowest checks.

Run: python -m benchmarks.check_suite
"""

from collections import defaultdict

from tabulate import tabulate

from banditlab.rules import RULES
from banditlab.testing import check_update_rule

NUM_SLOWEST = 8


def main() -> None:
    """Print one row a rule, and one for each of the slowest checks."""
    by_rule, by_check = {}, defaultdict(float)
    for name, rule in RULES.items():
        results = check_update_rule(rule, on_fail="report").results
        by_rule[name] = sum(result.seconds for result in results)
        for result in results:
            by_check[result.check.name] += result.seconds
    print(
        tabulate([*by_rule.items(), ("all", sum(by_rule.values()))], ("rule", "s"), floatfmt=".2f")
    )
    slowest = sorted(by_check.items(), key=lambda entry: -entry[1])[:NUM_SLOWEST]
    print(tabulate(slowest, ("check, all rules", "s"), floatfmt=".2f"))


if __name__ == "__main__":
    main()
