"""The newcomer's path: the work of every process that a step starts is counted."""

import subprocess
import sys

from studies import newcomer

WORK = "import os\nwhile os.times().user < 0.2: pass"
COUNTED = 0.19  # the system counts in hundredths, and their difference may lose the last digit


def test_the_work_of_a_process_that_ended_is_counted():
    spent = newcomer.cost(lambda: subprocess.run([sys.executable, "-c", WORK], check=True))
    assert spent >= COUNTED
    assert newcomer.cost(lambda: None) == 0
