"""Update rules of other libraries behind one interface, to be compared with our own.

Each library has one module here with a tuple `PEERS`; a library is imported only when one of its
peers is loaded. A further module joins through the entry-point group "banditlab.peers".
"""
