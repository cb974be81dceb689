"""Long-run behaviour near a corner (theory P32 to P34), with asymptotic jumps where said."""
