"""`python -m resnetlab` is the command `resnetlab`."""

import sys

from resnetlab.cli import main

sys.exit(main())
