"""edu.report: one network in all its forms, what fails said in a sentence, finished rows kept."""

import re
from pathlib import Path

import nbformat
import pytest
import torch
from torch import nn

import edu_lib as edu
from edu_lib.reporting import compare
from edu_lib.reporting.forms import compare_answers
from tools import report as tool
from tools.copies import labs

ROOT = Path(__file__).resolve().parent.parent


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5),
    )  # fmt: skip


def for_the_command():
    torch.manual_seed(1)
    return network(), torch.rand(1, 3, 12, 12)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder, model = tmp_path_factory.mktemp("rows"), network()
    X = torch.rand(8, 3, 12, 12)

    def quality(judged):
        with torch.no_grad():
            return 100 * float((judged(X).argmax(1) == model(X).argmax(1)).float().mean())

    options = {"data": X, "quality": quality, "folder": folder, "progress": False}
    return edu.report(model, X[:1], **options), model, X, options


def row_of(report, name):
    return next(row for row in report.rows if row.name == name)


def test_a_report_has_every_form_with_its_true_figures(found):
    report, model, X, _ = found
    whole, half = row_of(report, "float32"), row_of(report, "channels x 0.5")
    pruned = edu.prune_channels(model, X[:1], ratio=0.5)
    assert whole.params == sum(each.numel() for each in model.parameters())
    assert half.params == sum(each.numel() for each in pruned.parameters())
    assert half.macs == edu.count_cost(pruned, X[:1]).macs
    assert (whole.same_answers, whole.quality) == (100, 100)
    assert whole.difference < 1e-3
    y, y_hat = model(X), pruned(X)
    wanted = 100 * ((y_hat - y).norm() / y.norm()).item()
    assert half.difference == pytest.approx(wanted, rel=1e-3)
    int8 = row_of(report, "int8")
    assert 0 < int8.difference < 10
    assert int8.file_bytes > row_of(report, "weights of 4 bits").file_bytes > 0
    contained = row_of(report, "float32, container")
    assert contained.file_bytes > 0
    assert (contained.difference, contained.same_answers) == (0, 100)  # as it is read back
    files = [row.file_difference for row in report.rows if row.params is not None]
    assert max(files) < 5  # integers round a half either way; float32 is below a thousandth
    assert half.file_difference < 1e-3
    assert all(row.ms > 0 for row in report.rows if row.params is not None)
    assert re.search(r"channels x 0\.5 .* yes ", repr(report))


def test_what_is_finished_is_not_made_again(found, monkeypatch):
    report, model, X, options = found

    def not_again(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(compare, "_measured", not_again)
    assert edu.report(model, X[:1], **options).rows == report.rows


def test_rows_are_kept_for_one_judge_one_calibration_and_one_training(monkeypatch, tmp_path):
    whole = next(form for form in compare.forms(False) if form.name == "float32")
    monkeypatch.setattr(compare, "forms", lambda _: [whole])
    monkeypatch.setattr(compare, "JUDGED", 2)
    measured = []

    def made(form, *_):
        measured.append(form.name)
        return [compare.Row(form.name)]

    monkeypatch.setattr(compare, "_measured", made)
    model = network()
    X = torch.rand(4, 3, 12, 12)
    first = {"data": X, "folder": tmp_path, "progress": False}
    other = X.clone()
    other[3] += 1  # an input that only calibrates
    changes = {"quality": lambda judged: 1.0}, {"data": other}, {"recover": lambda changed: None}
    for number, more in enumerate(({}, *changes), start=1):
        for _ in range(2):
            edu.report(model, X[:1], **first | more)
        assert len(measured) == number, more


def test_a_void_time_stands_in_no_words_of_the_figure():
    rows = [compare.Row("float32", ms=2.0), compare.Row("int8", ms=1.0, void=True)]
    report = compare.Report("Network", "1x3x12x12", 33.0, rows)
    assert "float32 2" in report.alt()
    assert "int8" not in report.alt()


def test_what_cannot_be_made_says_why_and_the_others_go_on(monkeypatch):
    tried = [form for form in compare.forms(False) if form.name in ("int8", "weights of 4 bits")]
    monkeypatch.setattr(compare, "forms", lambda _: tried)

    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = network()

        def forward(self, X):
            return self.body(X) if X.mean() > 0.2 else self.body(2 * X)  # no graph has both

    X = torch.rand(4, 3, 12, 12)
    report = edu.report(Reads(), X[:1], data=X, progress=False)
    assert "cannot be traced" in row_of(report, "int8").note
    assert row_of(report, "weights of 4 bits").difference > 0
    monkeypatch.setattr(compare, "forms", lambda _: tried[:1])
    without = edu.report(network(), X[:1], progress=False)
    assert "needs data" in row_of(without, "int8").note


class Dealt(nn.Module):
    """Deals its channels out, as ShuffleNet does."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
        self.head = nn.Linear(8, 4)

    def forward(self, X):
        X = torch.relu(self.first(X)).unflatten(1, (2, 4)).transpose(1, 2).flatten(1, 2)
        return self.head(torch.relu(self.second(X)).mean((2, 3)))


def test_channels_that_cannot_be_followed_stay_and_the_others_go(monkeypatch):
    tried = [form for form in compare.forms(False) if form.name == "channels x 0.5"]
    monkeypatch.setattr(compare, "forms", lambda _: tried)
    torch.manual_seed(0)
    model, X = Dealt(), torch.rand(4, 3, 12, 12)
    row = row_of(edu.report(model, X[:1], data=X, progress=False), "channels x 0.5")
    pruned = edu.prune_channels(model, X, ratio=0.5, skip=["first"])
    assert row.params == sum(each.numel() for each in pruned.parameters())
    assert row.note == (
        "all channels stay in first: the forward (Dealt, unflatten) does something with its "
        "channels that cannot be followed"
    )
    with torch.no_grad():
        y, y_hat = model(X), pruned(X)
    assert row.difference == pytest.approx(100 * ((y_hat - y).norm() / y.norm()).item(), rel=1e-3)


def test_answers_that_are_no_numbers_are_no_form():
    y = torch.tensor([[1.0, 2.0], [float("-inf"), 3.0]])
    assert compare_answers([y], [y]) == (0, 100)
    with pytest.raises(ValueError, match="infinity or what is no number"):
        compare_answers([y * float("nan")], [y])


def test_bad_arguments_are_refused_before_anything_is_made():
    with pytest.raises(ValueError, match="budget_ms"):
        edu.report(network(), torch.rand(1, 3, 12, 12), budget_ms=0)
    with pytest.raises(ValueError, match="does not take an input"):
        edu.report(network(), torch.rand(1, 4, 12, 12))


def test_the_page_holds_the_table_and_the_figure(found, monkeypatch, tmp_path, capsys):
    report = found[0]
    text = tool.page(report)
    assert text.count("<tr>") == 1 + len(report.rows)
    assert 'alt="Milliseconds of Sequential' in text
    assert "data:image/png;base64," in text
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    monkeypatch.setattr(tool.edu, "report", lambda **_: report, raising=False)
    assert tool.main(["tests.test_report:for_the_command", "--budget-ms", "5"]) == 0
    assert (tmp_path / "tests.test_report_for_the_command.html").read_text("utf-8") == text


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("no_function", "MODULE:FUNCTION"),
        ("no_such_module:f", "There is no module"),
        ("json:no_such", "has no function"),
    ],
)
def test_a_name_that_is_none_ends_in_a_sentence(word, sentence):
    with pytest.raises(SystemExit, match=sentence):
        tool.main([word])
    with pytest.raises(SystemExit, match="must return"):
        tool.arguments_of(3)


@pytest.mark.parametrize(
    ("line", "raised"),
    [("import json; json.missing", AttributeError), ("import my", ModuleNotFoundError)],
)
def test_what_is_wrong_in_a_learners_module_is_told_as_it_is(line, raised, monkeypatch, tmp_path):
    (tmp_path / "my_network_of_a_test.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(raised):
        tool.function_of("my_network_of_a_test:build")


def test_the_template_runs_as_it_stands(found, monkeypatch, tmp_path):
    template = nbformat.read(ROOT / "notebooks" / "templates" / "your_network.ipynb", 4)
    asked = {}
    monkeypatch.setattr(edu, "report", lambda **arguments: asked.update(arguments) or found[0])
    monkeypatch.chdir(ROOT / "notebooks")
    names = {}
    for cell in template.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            exec(cell.source, names)
    assert asked["folder"] == ROOT / "work" / "reports"
    assert asked["data"].shape == (64, 1, 28, 28)
    assert "your_network.ipynb" in labs(ROOT)
