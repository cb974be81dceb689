"""The claims: prediction x experiment x statistic x mutants, and the command that tests them."""
