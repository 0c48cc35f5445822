"""The server against docs/klms-openapi.yaml, by schemathesis over mutual TLS; `make fuzz-klms` is
the same for longer.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.klms.world import PROFILE, ServerProcess

ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("KLMS_EXAMPLES", "5"))  # for each operation
TIMEOUT_S = 120 + 10 * EXAMPLES


def test_the_server_is_what_the_document_says(server: ServerProcess, tmp_path: Path) -> None:
    pki = server.pki
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            *(str(ROOT / "docs/klms-openapi.yaml"), "--url", server.url),
            *("--tls-verify", str(pki / "ca.pem")),
            *("--request-cert", str(pki / "EOL-01.pem")),
            *("--request-cert-key", str(pki / "EOL-01.key")),
            *("--checks", "all", "--max-examples", str(EXAMPLES)),
            *("--generation-database", "none", "--no-color"),
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "klms_fuzz",
            "PYTHONPATH": str(ROOT / "tools"),
            "KLMS_STATION": "EOL-01",
            "KLMS_PROFILE": PROFILE,
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    print(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    cases = re.search(r"(\d+) generated, (\d+) passed", ran.stdout)
    assert cases is not None
    assert cases[1] == cases[2]
    links = re.search(r"API Links: +(\d+) covered", ran.stdout)
    assert links is not None
    assert int(links[1]) >= 3  # commit, abort and pool of a new lease
    log = server.log.read_text()
    assert "Traceback" not in log
    assert " 500 " not in log
