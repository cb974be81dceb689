"""The softmax policy over sequences of tokens: a tree of softmaxes, expanded as it is trained."""
