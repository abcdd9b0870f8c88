"""The command line, and what its process is like: `python -m tests.kit.elsewhere ARGUMENTS`."""

import json
import locale
import os
import sys
import time

from resnetlab.cli import main

if __name__ == "__main__":
    found = {
        "zone": time.tzname[0],
        "hash": hash("x"),
        "encoding": locale.getpreferredencoding(False),
        "folder": os.getcwd(),
    }
    code = main(sys.argv[1:])
    print(f"\nfound: {json.dumps(found)}")
    sys.exit(code)
