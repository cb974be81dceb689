"""Pictures that lay theory, simulation and language model side by side; drawn from files."""
