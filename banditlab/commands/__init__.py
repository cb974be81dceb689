"""The commands of the core: rules, simulate, sweep, env; each module imports in milliseconds."""

from banditlab.commands.rule_arguments import add_rule_arguments, parse_hyper

__all__ = ["add_rule_arguments", "parse_hyper"]
