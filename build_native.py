"""What cffi binds: the C core, compiled, and the provider interface, as declarations only.

Used by setup.py through cffi's ``cffi_modules``. The two headers are the only declarations
there are: C includes them, and here their text becomes cffi's cdef.
"""

import os
import re
from pathlib import Path

from cffi import FFI

NATIVE = Path("native")  # relative, as setuptools wants its sources; it runs beside this file


def declarations(*headers: str) -> str:
    """The headers as cffi's parser takes them: without directives and calling convention.

    Of the preprocessor's lines only ``#define NAME number`` stays, which is a constant.
    """
    text = "".join((NATIVE / "include" / name).read_text("utf-8") for name in headers)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"(?m)^#define (KFP?_\w+) \(?(-?\d\w*?)u?\)?\s*$", r"@define \1 \2", text)
    text = re.sub(r"(?m)^#.*\n", "", text).replace("@define", "#define")
    # The one exported symbol is looked up by name, and the layouts are the compiler's to check.
    text = re.sub(r"(?ms)^(KF_EXPORT|KFP_CHECK)\b.*?;", "", text)
    text = re.sub(r"(?m)^(extern \"C\" \{|\})$", "", text)
    return re.sub(r"\bKF_CALL\b", "", text)


core = FFI()
core.cdef(declarations("kf_core.h", "kf_bench.h"))
core.set_source(
    "kfasync._kf_core",
    '#include "kf_core.h"\n#include "kf_bench.h"\n',
    sources=sorted(path.as_posix() for path in (NATIVE / "src").glob("*.c")),
    depends=sorted(path.as_posix() for path in NATIVE.glob("*/*.h")),
    include_dirs=[(NATIVE / "include").as_posix()],
    # Python looks for its one symbol, which says so itself; no other library may take up the
    # core's own, and its files call each other without a detour.
    extra_compile_args=[] if os.name == "nt" else ["-fvisibility=hidden"],
    # Without a compiler the other crypto paths do the work, and say so.
    optional=True,
)

provider = FFI()
provider.cdef(declarations("kf_provider.h"))
provider.set_source("kfasync._kf_provider", None)
