"""Mutation testing: small errors planted into the source one by one, and how many the tests find.

`make mutation` runs it and `docs/mutation.md` has the result. Mutants are made and run by mutmut 3,
in copies of the sources under `runs/mutation`, so that the checkout never holds mutated code.
"""
