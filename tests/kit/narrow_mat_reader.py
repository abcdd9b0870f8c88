"""The process that reads MATLAB's files, with 128 MiB for any file in place of 512: 200 MB are many then."""

import runpy

from resnetlab.base.reading import process

if __name__ == "__main__":
    process._FREE_BYTES = 2**27
    runpy.run_module("resnetlab.data.archives.mat_process", run_name="__main__")
