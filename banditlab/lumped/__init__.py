"""The exact softmax policy over any number of arms; `policy` has it, the rest are its parts."""
