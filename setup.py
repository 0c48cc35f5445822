"""What pyproject.toml cannot say: the modules that cffi makes.

``KFASYNC_NATIVE=0`` leaves the C core out; everything else works without it.
"""

import os

from setuptools import setup

modules = ["build_native.py:provider"]
if os.environ.get("KFASYNC_NATIVE") != "0":
    modules.append("build_native.py:core")

setup(cffi_modules=modules)
