"""`python -m banditlab` is the command line."""

import sys

from banditlab.cli import main

sys.exit(main())
