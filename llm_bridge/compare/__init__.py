"""The same rules on a language model, in simulation and in theory, laid over each other."""
