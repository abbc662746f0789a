"""The report: a network's forms made, judged, weighed and timed, one row each."""

import dataclasses
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from tqdm import tqdm

from edu_lib.cost import align, count_cost
from edu_lib.graph import Inputs, as_inputs
from edu_lib.measure.latency import measure_latency
from edu_lib.measure.results import write_json
from edu_lib.measure.runner import pytorch_runner
from edu_lib.reporting.forms import (
    FLOAT,
    Form,
    OnnxModule,
    Row,
    compare_answers,
    file_runner,
    forms,
    noted,
    outputs_in_batches,
    ready,
    saved_and_loaded,
    sentence,
    weights_file,
    write_file,
)
from edu_lib.training import fingerprint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JUDGED, BATCH_SIZE = 64, 8
BLOCKS, BLOCK_MS = 30, 2
# seconds that a form takes beside running the network, and how many forwards it runs
SECONDS_A_FORM, FORWARDS_A_FORM = 8, 120


@dataclasses.dataclass(repr=False)
class Report:
    """The rows of a network; its `repr` is the table, `figure()` draws it."""

    network: str
    input_shape: tuple
    budget_ms: float
    rows: list[Row]

    def __repr__(self) -> str:
        rows = [HEADER, *(self.cells(row) for row in self.rows)]
        about = f"input {self.input_shape}, one thread, budget {self.budget_ms:g} ms"
        notes = [f"{row.name}: {row.note}" for row in self.rows if row.note]
        return "\n".join([f"{self.network}, {about}", align(rows), *notes])

    def cells(self, row: Row) -> tuple[str, ...]:
        """A row as text, in the order of HEADER."""
        ms = "-" if row.ms is None else "void" if row.void else f"{row.ms:.3g}"
        fits = "-" if row.ms is None or row.void else "yes" if row.ms <= self.budget_ms else "no"
        counts = (row.params, row.macs, row.file_bytes)
        shares = (row.quality, row.same_answers, row.difference)
        return (
            row.name,
            *("-" if each is None else f"{each:,}" for each in counts),
            ms,
            row.runs_in or "-",
            fits,
            *("-" if each is None else f"{each:.1f}" for each in shares),
        )

    def figure(self) -> "Figure":
        """Milliseconds of each form against the budget, as a matplotlib Figure."""
        from matplotlib.figure import Figure

        timed = [row for row in self.rows if row.ms is not None and not row.void]
        figure = Figure(figsize=(8, 1.2 + 0.36 * max(1, len(timed))), layout="constrained")
        axes = figure.subplots()
        colours = ["#5b7083" if row.name.startswith(FLOAT) else "#d9822b" for row in timed]
        bars = axes.barh([row.name for row in timed], [row.ms for row in timed], color=colours)
        axes.bar_label(bars, [f"{row.ms:.3g} ms" for row in timed], padding=4)
        axes.axvline(self.budget_ms, color="#b3261e", ls="--")
        axes.invert_yaxis()
        longest = max([self.budget_ms, *(row.ms for row in timed)])
        axes.set(
            xlabel=f"milliseconds at one thread; dashed: the budget of {self.budget_ms:g} ms",
            title=self.network,
            xlim=(0, 1.2 * longest),
        )
        return figure

    def alt(self) -> str:
        """The figure in words."""
        shown = (row for row in self.rows if row.ms is not None and not row.void)
        timed = "; ".join(f"{row.name} {row.ms:.3g}" for row in shown)
        return f"Milliseconds of {self.network}, budget {self.budget_ms:g}: {timed}"


HEADER = (
    "form", "params", "MACs", "file bytes", "ms", "runs in", "in budget", "quality",
    "same answers, %", "difference, %",
)  # fmt: skip


def report(
    model: nn.Module,
    example_input: Inputs,
    data: Inputs | None = None,
    budget_ms: float = 33.0,
    *,
    quality: Callable[[nn.Module], float] | None = None,
    recover: Callable[[nn.Module], None] | None = None,
    folder: str | Path | None = None,
    progress: bool = True,
) -> Report:
    """Every form of `model` that the kit can make: cost, bytes, milliseconds and answers.

    example_input: one input as the network takes it, [1, C, H, W], or a tuple of inputs; it is what
    is timed. data: some dozens of inputs like those it will see; int8 is calibrated with them, and
    every form is compared with the float network on the first 64. quality: from a network to a
    number, such as percent right. recover: trains the network it is given; then pruned, separable
    and low-rank forms come a second time. folder: where finished rows are kept, so that the same
    call goes on where it stopped; None for nowhere. It says how many minutes it takes before it
    starts. A form that fails keeps its row, which says why in a sentence. The argument is not
    touched. Raises ValueError if the network does not take the input, or a budget that is no time.
    Taught in chapter 13.
    """
    if not budget_ms > 0:
        raise ValueError(f"budget_ms is a number of milliseconds above 0, got {budget_ms}")
    model = ready(model)
    X = tuple(each.detach().cpu() for each in as_inputs(example_input))
    seen = None if data is None else tuple(each.detach().cpu() for each in as_inputs(data))
    count_cost(model, X)  # refuses an input that the network does not take
    judged = X if seen is None else tuple(each[:JUDGED] for each in seen)
    wanted = outputs_in_batches(model, judged, BATCH_SIZE)
    todo = forms(recover is not None)
    _tell_minutes(model, X, len(todo), progress)
    asked = [model, X, seen, quality, recover]  # another calibration or judge makes other rows
    stored = None if folder is None else Path(folder) / fingerprint(asked)
    rows: list[Row] = []
    for form in tqdm(todo, desc="forms", disable=not progress):
        made = _kept(stored, form.name)
        if not made:
            made = _measured(form, model, X, seen, judged, wanted, quality, recover)
            if stored is not None:
                write_json(stored / f"{form.name}.json", [dataclasses.asdict(row) for row in made])
        rows += made
    shape = " and ".join("x".join(map(str, each.shape)) for each in X)
    return Report(type(model).__name__, shape, budget_ms, rows)


def _tell_minutes(model: nn.Module, X: tuple, count: int, progress: bool) -> None:
    start = time.perf_counter()
    with torch.inference_mode():
        model(*X)
    forward = time.perf_counter() - start
    minutes = count * (SECONDS_A_FORM + FORWARDS_A_FORM * forward) / 60
    if progress:
        print(f"{count} forms, about {max(1, round(minutes))} minutes", flush=True)


def _kept(stored: Path | None, name: str) -> list[Row]:
    path = None if stored is None else stored / f"{name}.json"
    if path is None or not path.exists():
        return []
    return [Row(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def _measured(form: Form, model: nn.Module, X: tuple, data: tuple | None, judged: tuple,
              wanted: list[Tensor], quality: Callable | None, recover: Callable | None,
              ) -> list[Row]:  # fmt: skip
    """The row of a form; for the float network also those of what runs it, and the container."""
    row = Row(form.name, note=form.note)
    if form.needs_data and data is None:
        row.note = "needs data: some dozens of inputs to calibrate with"
        return [row]
    with tempfile.TemporaryDirectory() as folder, noted() as notes:
        path = Path(folder) / "network.onnx"
        try:
            changed = form.make(model, X, data)
            if form.recovers:
                recover(changed)
            changed.eval()
            cost = count_cost(changed, X)
            row.params, row.macs = cost.params, cost.macs
            by_integers = form.needs_data  # then it is their kernels whose answers count
            answers = _judge(row, changed, judged, wanted, None if by_integers else quality)
            row.file_bytes = write_file(changed, X, path).stat().st_size
            if form.weighs_weights:
                row.file_bytes = len(weights_file(changed))
            got = _judge(row, OnnxModule(path), judged, wanted, quality if by_integers else None)
            row.file_difference, _ = compare_answers(got, answers)
        except Exception as error:  # a report goes on whatever a form of this network raises
            row.note = sentence(error)
        rows = _timed(row, model if form.name == FLOAT else None, path, X)
        if form.name == FLOAT:
            rows.append(_contained(model, X, Path(folder), judged, wanted))
    row.note = "; ".join(filter(None, [row.note, *notes]))
    return rows


def _judge(row: Row, changed: nn.Module, judged: tuple, wanted: list[Tensor],
           quality: Callable | None = None) -> list[Tensor]:  # fmt: skip
    """Fills in how the answers, which it returns, compare with those of the float network."""
    got = outputs_in_batches(changed, judged, BATCH_SIZE)
    row.difference, row.same_answers = compare_answers(got, wanted)
    if quality is not None:
        row.quality = float(quality(changed))
    return got


def _timed(row: Row, eager: nn.Module | None, path: Path, X: tuple) -> list[Row]:
    """The row with its milliseconds; the float network also by what else runs it."""
    runners = [file_runner(path, X)] if path.exists() else []
    if eager is not None and len(X) == 1:
        layouts = (False, True) if X[0].dim() == 4 else (False,)
        runners += [pytorch_runner(eager, X[0], channels_last=each) for each in layouts]
    if not runners:
        return [row]
    measured = [measure_latency(runner, BLOCKS, BLOCK_MS) for runner in runners]
    measured.sort(key=lambda each: each.p50_ms)
    row.ms, row.void, row.runs_in = measured[0].p50_ms, measured[0].void, measured[0].backend
    return [row] + [
        Row(f"{row.name}, {each.backend}", ms=each.p50_ms, runs_in=each.backend, void=each.void)
        for each in measured[1:]
    ]


def _contained(model: nn.Module, X: tuple, folder: Path, judged: tuple,
               wanted: list[Tensor]) -> Row:  # fmt: skip
    """The bytes of the kit's container, and the answers of the network that comes out of it."""
    row, path = Row(f"{FLOAT}, container"), folder / "network.30f"
    try:
        _judge(row, saved_and_loaded(model, X, path), judged, wanted)
        row.file_bytes = path.stat().st_size
    except Exception as error:  # as above
        row.note = sentence(error)
    return row
