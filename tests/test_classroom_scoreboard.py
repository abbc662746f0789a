"""The scoreboard says what the built chapters say: nothing is added, dropped or softened."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import classroom
from classroom.claims import VERDICTS, Claim, ClaimsTable
from classroom.plots.poster import ledger_poster, verdict_squares

GOOD = Claim("A & B 1998, table 1", 'fewer than "five" errors', "4 < 5 errors", "reproduced")
BAD = Claim("C 2015, section 2", "ten times faster", "8.1 times", "not reproduced")
OPEN = Claim("D 2020", "no loss", "-0.1 ± 0.3 points", "undecided")


def chapter(folder, name, *tables, title="A chapter"):
    """A built notebook whose outputs hold these claims tables."""
    cells = [new_markdown_cell(f"# {title}\n\nText.")]
    for claims in tables:
        page = ClaimsTable(claims, digits_in_text=False)._repr_html_()
        output = new_output("execute_result", {"text/html": page, "text/plain": "claims"})
        cells.append(new_code_cell("claims_table(...)", outputs=[output]))
    cells.append(new_code_cell("1", outputs=[new_output("stream", text="<table>no</table>")]))
    nbformat.write(new_notebook(cells=cells), folder / name)


@pytest.fixture
def folder(tmp_path):
    chapter(tmp_path, "02_second.ipynb", [BAD], [OPEN], title="Second")
    chapter(tmp_path, "01_first.ipynb", [GOOD, BAD], title="First: one")
    chapter(tmp_path, "03_without_claims.ipynb")
    chapter(tmp_path, "15_itself.ipynb", [GOOD])
    chapter(tmp_path, "your_network.ipynb", [GOOD])
    return tmp_path


def test_every_claim_comes_back_as_the_chapter_judged_it(folder):
    first, second = classroom.judged_claims(folder)
    assert (first.number, first.title, first.claims) == ("01", "First: one", (GOOD, BAD))
    assert (second.number, second.claims) == ("02", (BAD, OPEN))


def test_verdicts_are_counted_and_filtered(folder):
    board = classroom.scoreboard(folder)
    assert board.counts == {
        "reproduced": 1, "partly": 0, "undecided": 1, "not reproduced": 2,
    }  # fmt: skip
    assert repr(board).splitlines()[:2] == ["01 First: one", f"  reproduced: {GOOD.says}"]
    failed = classroom.scoreboard(folder, verdict="not reproduced")
    assert [each.claims for each in failed.chapters] == [(BAD,), (BAD,)]
    page = failed._repr_html_()
    assert page.count("8.1 times") == 2
    assert "errors" not in page
    assert "<caption>Claims not reproduced, chapter by chapter</caption>" in page


def test_a_source_that_refers_to_the_row_before_is_named(tmp_path):
    rows = [
        Claim(source, "x", "y", "partly") for source in ("E 1999, 2", "the same", "the same, 4")
    ]
    chapter(tmp_path, "01_first.ipynb", rows)
    [found] = classroom.judged_claims(tmp_path)
    assert [claim.source for claim in found.claims] == ["E 1999, 2", "E 1999, 2", "E 1999, 4"]
    assert repr(classroom.scoreboard(tmp_path, verdict="undecided")).startswith("No claim has")


def test_what_is_no_verdict_and_what_is_damaged_is_refused(folder):
    with pytest.raises(ValueError, match="A verdict is one of reproduced, partly"):
        classroom.scoreboard(folder, verdict="perhaps")
    path = folder / "02_second.ipynb"
    path.write_text(path.read_text().replace("</tbody>", "<tr></tbody>"))
    with pytest.raises(ValueError, match=r"claims table of 02_second\.ipynb is damaged"):
        classroom.judged_claims(folder)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"no readable notebook: run .* build 02"):
        classroom.judged_claims(folder)


def test_a_folder_without_claims_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"kit.py build"):
        classroom.judged_claims(tmp_path)


def test_the_kit_has_no_claim_without_a_known_verdict():
    chapters = classroom.judged_claims()
    assert [each.number for each in chapters] == sorted(each.number for each in chapters)
    assert all(claim.source and claim.says for each in chapters for claim in each.claims)
    assert {claim.verdict for each in chapters for claim in each.claims} <= set(VERDICTS)


def test_the_squares_are_as_many_as_the_claims(folder):
    chapters = classroom.judged_claims(folder)
    figure = verdict_squares(chapters)
    assert "4 claims of 2 chapters" in figure.alt
    assert len(figure.figure.axes[0].patches) == 4
    with pytest.raises(ValueError, match="no chapter"):
        verdict_squares([])


def test_the_poster_names_every_row_and_its_text_has_no_measured_digit():
    rows = classroom.read_ledger()
    figure = ledger_poster(rows)
    assert all(row.model in figure.alt and row.model in figure.text for row in rows)
    assert "ms" not in figure.text
    with pytest.raises(ValueError, match="bench --save"):
        ledger_poster([])
