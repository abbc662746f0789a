"""JupyterHub on one machine, for a class: jupyterhub -f docs/hub/jupyterhub_config.py

Each learner is a user of this machine and logs in with that password. A learner's server sees the
kit, which nobody but root may change, and a home of its own, into which the labs are laid as
`kit.py lab` does, with the docs that they link to. A kernel that takes more memory than a chapter
may fails alone.
"""

import os
import pwd
import resource
import sys
from pathlib import Path

from jupyterhub.spawner import LocalProcessSpawner

KIT = Path(__file__).resolve().parents[2]
CHAPTER_MB = 1500  # what the kernel of a chapter may hold: conftest.py tests it
SERVER_MB = 500  # what a server and its files may take beside it
LIMIT_MB = CHAPTER_MB + SERVER_MB
LAY_OUT = (
    "import sys; from pathlib import Path; kit, home = map(Path, sys.argv[1:]);"
    " sys.path.insert(0, str(kit)); from tools import copies;"
    " [copies.lay_out(editions, home / 'work' / name)"
    " for name, editions in copies.labs_with_docs(kit).items()]"
)


def home_of(name: str) -> str:
    """The home of a learner."""
    return pwd.getpwnam(name).pw_dir


class ClassSpawner(LocalProcessSpawner):
    """A process of the learner's own, in a home of its own, with a limit of memory."""

    def make_preexec_fn(self, name):
        """What the new process does first: become the learner, take the limit, lay out the labs."""
        become_the_learner = super().make_preexec_fn(name)
        limit = LIMIT_MB * 10**6
        words = [sys.executable, "-c", LAY_OUT, str(KIT), home_of(name)]

        def prepare():
            become_the_learner()
            # data and private maps of each process; libraries and files count for nothing
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
            if os.fork() == 0:
                os.execv(sys.executable, words)
            os.wait()

        return prepare


c = get_config()  # noqa: F821  JupyterHub puts it there
c.JupyterHub.spawner_class = ClassSpawner
c.JupyterHub.bind_url = "http://127.0.0.1:8000"  # a web server with TLS stands before it
c.JupyterHub.active_server_limit = 40
c.JupyterHub.concurrent_spawn_limit = 40  # a class comes at the same minute: refuse nobody
c.Authenticator.allow_all = True  # whoever has an account on this machine
c.Spawner.notebook_dir = "~"
c.Spawner.default_url = "/lab/tree/work/labs/00_start_here.ipynb"
c.Spawner.environment = {
    "PYTHONPATH": str(KIT),
    "THIRTY_FRAMES_DATA": str(KIT / "data"),
    "THIRTY_FRAMES_CACHE": lambda spawner: home_of(spawner.user.name) + "/.cache/thirty-frames",
    "OMP_NUM_THREADS": "1",  # a class shares the cores
}
# a server that starts beside many others takes its time: the hub waits for its first answer
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
