"""Compiles native/ into the package while it is built; all metadata is in setup.cfg."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
LIBRARY = Path("weka_mp", "_native", "libweka_mp_native.so")
NO_COMPILER = 3
"""Status of native/build.sh where there is no C compiler; any other failure is a real one."""


class BuildWithNative(build_py):
    """Adds the native library, unless there is no compiler or WEKA_MP_NO_NATIVE=1 says not to."""

    def run(self) -> None:
        super().run()
        if os.environ.get("WEKA_MP_NO_NATIVE", "") not in ("", "0"):
            self.warn("WEKA_MP_NO_NATIVE is set: the native library is left out")
            return
        root = HERE if self.editable_mode else Path(self.build_lib).resolve()
        built = subprocess.run(["sh", HERE / "native" / "build.sh", "library", root / LIBRARY], check=False)
        if built.returncode == NO_COMPILER:
            self.warn("there is no C compiler: installed without the native library, all works but slower")
        elif built.returncode != 0:
            raise SystemExit(f"native/build.sh failed with status {built.returncode}")


class DistributionOfThisPlatform(Distribution):
    """Makes the wheel's tag name the platform: there is machine code inside."""

    def has_ext_modules(self) -> bool:
        return True


setup(cmdclass={"build_py": BuildWithNative}, distclass=DistributionOfThisPlatform)
