"""What pyproject.toml cannot say: the modules that cffi makes.

``KFASYNC_NATIVE=0`` leaves the C core out; everything else works without it.
"""

import os

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildPy(build_py):
    """Makes the provider's module in this tree too, when it is installed in place.

    cffi makes it there in ``build_ext``, which setuptools leaves out where nothing is compiled.
    """

    def run(self) -> None:
        """Copy the modules, or in place make the one that is missing."""
        super().run()
        if self.editable_mode:
            self.get_finalized_command("build_ext").inplace = True
            self.run_command("build_ext")


modules = ["build_native.py:provider"]
if os.environ.get("KFASYNC_NATIVE") != "0":
    modules.append("build_native.py:core")

setup(cffi_modules=modules, cmdclass={"build_py": BuildPy})
