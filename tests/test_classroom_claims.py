"""Verdicts follow from numbers, and a failing claim is printed as failing."""

import pytest

from classroom.claims import Claim, claim, claims_table


def lenet_claim(measured, **changes):
    settings = {
        "target": 0.95,
        "better": "lower",
        "tolerance": 0.05,
        "unit": "% error",
    } | changes
    return claim("LeCun 1998, section III", "0.95 % error", measured=measured, **settings)


@pytest.mark.parametrize(
    ("better", "measured", "verdict"),
    [
        ("lower", 0.5, "reproduced"),
        ("lower", 1.0, "reproduced"),
        ("lower", 1.03, "partly"),
        ("lower", 1.2, "not reproduced"),
        ("higher", 2.0, "reproduced"),
        ("higher", 0.5, "not reproduced"),
        ("equal", 0.92, "reproduced"),
        ("equal", 0.5, "not reproduced"),
        ("equal", 1.04, "partly"),
    ],
)
def test_verdict_is_computed(better, measured, verdict):
    assert lenet_claim(measured, better=better).verdict == verdict


def test_partly_reaches_as_far_as_it_is_told():
    assert lenet_claim(1.5, partly_tolerance=0.6).verdict == "partly"


@pytest.mark.parametrize(
    ("better", "measured", "scatter", "verdict"),
    [
        ("lower", 0.90, 0.05, "reproduced"),
        ("lower", 0.98, 0.05, "undecided"),  # 0.93 reaches 1.00, 1.03 does not
        ("lower", 1.025, 0.02, "partly"),
        ("lower", 1.20, 0.05, "not reproduced"),
        ("lower", 1.04, 0.05, "undecided"),
        ("higher", 1.00, 0.20, "undecided"),
        ("higher", 1.00, 0.05, "reproduced"),
        ("equal", 0.95, 0.20, "undecided"),
        ("equal", 0.95, 0.04, "reproduced"),
        ("equal", 0.50, 0.10, "not reproduced"),
        ("equal", 0.50, 0.45, "undecided"),
    ],
)
def test_a_scatter_larger_than_the_difference_leaves_a_claim_undecided(
    better, measured, scatter, verdict
):
    assert lenet_claim(measured, better=better, scatter=scatter).verdict == verdict


def test_the_table_shows_the_scatter_and_an_undecided_claim():
    table = claims_table([lenet_claim(0.98, scatter=0.05)], digits_in_text=True)
    assert repr(table).startswith("undecided: 0.95 % error")
    assert "0.98 ± 0.05 % error" in repr(table)
    assert "undecided" in table._repr_html_()


def test_bad_claims_are_refused():
    with pytest.raises(ValueError, match="A scatter is a finite number of 0 or more"):
        lenet_claim(1.0, scatter=-0.1)
    with pytest.raises(ValueError, match="A verdict is one of"):
        Claim("paper", "says", "1", "confirmed")
    with pytest.raises(ValueError, match="better is"):
        lenet_claim(1.0, better="smaller")
    with pytest.raises(ValueError, match="finite"):
        lenet_claim(float("nan"))
    with pytest.raises(ValueError, match="Tolerances"):
        lenet_claim(1.0, tolerance=-1)
    with pytest.raises(ValueError, match="no claim"):
        claims_table([])


def test_table_prints_a_failing_claim_as_failing():
    table = claims_table([lenet_claim(0.98), lenet_claim(7.77)])
    lines = repr(table).splitlines()
    assert lines[0].startswith("reproduced: 0.95 % error")
    assert lines[1].startswith("NOT REPRODUCED: ")
    assert "NOT REPRODUCED" in table._repr_html_()


def test_measured_digits_stay_out_of_the_compared_text():
    claims = [lenet_claim(7.77)]
    assert "7.77" not in repr(claims_table(claims))
    assert "7.77" in repr(claims_table(claims, digits_in_text=True))
    assert "7.77 % error" in claims_table(claims)._repr_html_()


def test_html_is_a_labelled_table_and_escapes_text():
    html = claims_table([Claim("<b>A & B</b>", "x < y", "1", "partly")])._repr_html_()
    assert "<caption>" in html
    assert html.count('scope="col"') == 4
    assert '<th scope="row"' in html
    assert "&lt;b&gt;A &amp; B&lt;/b&gt;" in html
