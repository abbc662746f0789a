"""nbgrader as the kit uses it: its configuration, and the step that runs a submission's code.

nbgrader's own step starts a kernel and runs the whole notebook in it. Ours runs the exercises
alone, in a process under limits (tools/course/supervise.py), and leaves no kernel behind.
"""

import os
import re
import sys
import textwrap
from pathlib import Path

import nbformat
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    ClearHiddenTests,
    GetGrades,
    LimitOutput,
    NbGraderPreprocessor,
    SaveAutoGrades,
)
from traitlets import Unicode
from traitlets.config import Config

from tools.copies import write_file
from tools.course.program import HOLE, program_of
from tools.course.supervise import Limits, Outcome, run

CONFIG = """\
from pathlib import Path

from tools.course.steps import configure

configure(get_config(), Path(__file__).resolve().parent)
"""
COURSE_ID = "thirty-frames"
COLUMNS = 88  # of a hint on a page of feedback
FOREIGN_SCRIPT = re.compile(r"""<script[^>]*\bsrc=["']https?:[^>]*>\s*</script>""")
CHECKED_IN = "checked_in"  # what kit.py grade makes of `submitted`, and nbgrader grades

ready: dict[str, dict[str, Outcome]] = {}  # outcomes by the key of their program
limits = Limits()


class RunExercises(NbGraderPreprocessor):
    """Puts under each check what it printed and, as the cell's last value, the points."""

    root = Unicode(".", help="the course's folder").tag(config=True)

    def preprocess(self, nb, resources):
        """Run the notebook's exercises, unless `ready` has their outcomes, and note them."""
        program = program_of(nb)
        outcomes = ready.get(program.key()) or run(program, Path(self.root), limits)
        for number, cell in enumerate(nb.cells, 1):
            grading = cell.metadata.get("nbgrader", {})
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], number
            if grading.get("grade"):
                cell.outputs = shown(outcomes[grading["grade_id"]], number)
        return nb, resources


def shown(outcome: Outcome, number: int) -> list:
    """The outputs of a check cell. The points are a plain float: nbgrader takes nothing else."""
    points = nbformat.v4.new_output(
        "execute_result", {"text/plain": repr(float(outcome.points))}, execution_count=number
    )
    if not outcome.text:
        return [points]
    rows = [textwrap.fill(row, COLUMNS) for row in outcome.text.splitlines()]
    text = "\n".join(rows) + "\n"
    return [nbformat.v4.new_output("stream", name="stdout", text=text), points]


def configure(config: Config, folder: Path) -> Config:
    """Set what nbgrader needs to know of a course in `folder`; returns the configuration."""
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.course_id = COURSE_ID
    config.CourseDirectory.db_url = f"sqlite:///{folder / 'gradebook.db'}"
    config.ClearSolutions.code_stub = {"python": f'raise NotImplementedError("{HOLE}")'}
    config.RunExercises.root = str(folder)
    config.Autograde.autograde_preprocessors = [
        RunExercises, LimitOutput, SaveAutoGrades, AssignLatePenalties, CheckCellMetadata,
    ]  # fmt: skip
    config.GenerateFeedback.preprocessors = [
        GetGrades, ClearHiddenTests, CSSHTMLHeaderPreprocessor,
    ]  # fmt: skip
    return config


def nbgrader(folder: Path, submitted: str = "submitted") -> NbGraderAPI:
    """nbgrader's interface on a course's folder. submitted: where it looks for submissions."""
    config = configure(Config(), folder)
    config.CourseDirectory.submitted_directory = submitted
    # nbgrader starts alembic by its name, which lies beside this Python
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return NbGraderAPI(CourseDirectory(config=config), config=config)


def keep_to_this_machine(folder: Path) -> None:
    """Take out of each page of feedback the script that its template loads from another machine."""
    for page in folder.glob("*/*/*.html"):
        text = page.read_text(encoding="utf-8")
        write_file(page, FOREIGN_SCRIPT.sub("", text).encode())


def said(result: dict, what: str) -> bool:
    """Whether a step of nbgrader went well; prints its log if it did not."""
    if not result["success"]:
        parts = [result.get(part) for part in ("log", "error")]
        print(f"nbgrader failed at {what}:", *filter(None, parts), sep="\n")
    return result["success"]
