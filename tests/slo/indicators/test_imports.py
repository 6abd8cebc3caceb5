"""A run imports the indicators that its specs use, and reads nothing of what is written on them."""

import subprocess
import sys
from pathlib import Path

SPEC = """\
version: slo/v1
service: checkout
slos:
  - name: availability
    objective: 99.9
    indicator: {http_availability: {}}
"""


def test_others_stay_out(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    program = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('\\n'.join(sys.modules), file=sys.stderr))\n"
        "from slo.engine.cli import main\n"
        "main(['compile', 'spec.yaml'])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    found = {m for m in run.stderr.split() if m.startswith("slo.indicators.")}

    assert 0 == run.returncode, run.stderr
    assert {
        "slo.indicators.catalog",
        "slo.indicators.http_availability",
        "slo.indicators.naming",
        "slo.indicators.params",
    } == found
