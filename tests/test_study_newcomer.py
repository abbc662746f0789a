"""The newcomer's path: the work of every process that a step starts is counted."""

import subprocess
import sys

from studies import newcomer

WORK = "import os\nwhile os.times().user < 0.2: pass"


def test_the_work_of_a_process_that_ended_is_counted():
    assert newcomer.cost(lambda: subprocess.run([sys.executable, "-c", WORK], check=True)) >= 0.2
    assert newcomer.cost(lambda: None) == 0
