"""A guess locks once; the answer shows beside it, or without it."""

import pytest

from classroom import predictions as predict_module
from classroom.predictions import predict, with_unit


@pytest.fixture(autouse=True)
def fresh_session(monkeypatch):
    monkeypatch.setattr(predict_module, "_locked", {})


def ask_option():
    return predict("ch01.which", "Which is <cheaper>?", options=["dense", "depthwise"])


def ask_number():
    return predict("ch02.time", "How long does LeNet take?", unit="ms")


def test_static_page_shows_the_question_and_options():
    data = ask_option()._repr_mimebundle_()
    assert data["text/plain"] == "Predict ch01.which: Which is <cheaper>? (dense / depthwise)"
    assert "Which is &lt;cheaper&gt;?" in data["text/html"]
    assert "<li>depthwise</li>" in data["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in data


def test_the_button_locks_the_choice():
    question = ask_option()
    question._button.click()
    assert question.guess is None
    assert "Choose an answer" in question._status.value
    question._input.value = "dense"
    question._button.click()
    assert question.guess == "dense"
    assert question._input.disabled
    assert question._button.disabled


def test_a_locked_guess_cannot_change_even_when_the_cell_runs_again():
    ask_option().lock("dense")
    again = ask_option()
    assert again.guess == "dense"
    with pytest.raises(ValueError, match="cannot change"):
        again.lock("depthwise")
    assert repr(again) == "Predict ch01.which: Which is <cheaper>? (dense / depthwise)"


def test_number_is_typed_and_locked():
    question = ask_number()
    question._input.value = "about five"
    question._button.click()
    assert question.guess is None
    assert "Type a number" in question._status.value
    question._input.value = "5"
    question._button.click()
    assert question.guess == 5.0


def test_reveal_of_options():
    question = ask_option()
    question.lock("dense")
    wrong = question.reveal("depthwise", "Each kernel sees one channel.")
    assert "You said dense: not so. The answer is depthwise. Each kernel" in repr(wrong)
    assert repr(question.reveal("dense")) == "You said dense: right."
    with pytest.raises(ValueError, match="none of dense, depthwise"):
        question.reveal("separable")


def test_reveal_without_a_guess_says_so_and_shows_the_answer():
    assert repr(ask_option().reveal("dense")) == "No guess was locked. The answer is dense."
    assert "The answer is 12.3 ms." in ask_number().reveal(12.3)._repr_html_()


@pytest.mark.parametrize(
    ("guess", "answer", "unit", "expected"),
    [
        (5, 12.3, "ms", "off by a factor 2.5"),
        (12.3, 5, "ms", "off by a factor 2.5"),
        (10, 10.4, "ms", "close"),
        (0, 3, "ms", "off by 3 ms"),
        (90, 99, "%", "off by 9 percentage points"),
    ],
)
def test_reveal_of_numbers(guess, answer, unit, expected):
    question = predict("ch02.number", "How much?", unit=unit)
    question.lock(guess)
    revealed = question.reveal(answer)
    assert expected in revealed._repr_html_()
    assert "answer is" not in repr(revealed)
    assert expected in repr(question.reveal(answer, digits_in_text=True))


def test_bad_questions_and_guesses_are_refused():
    with pytest.raises(ValueError, match="either options"):
        predict("ch00.x", "What?")
    with pytest.raises(ValueError, match="either options"):
        predict("ch00.x", "What?", options=["a", "b"], unit="ms")
    with pytest.raises(ValueError, match="at least two"):
        predict("ch00.x", "What?", options=["a"])
    with pytest.raises(ValueError, match="none of"):
        ask_option().lock("both")
    with pytest.raises(ValueError, match="finite"):
        ask_number().lock(float("nan"))


def test_a_large_number_is_never_shown_as_a_power_of_ten():
    question = predict("t.large", "How many milliseconds?", unit="ms")
    question.lock(1500)
    said = question.reveal(250_000).sentence
    assert said == "You said 1,500 ms, the answer is 250,000 ms: off by a factor 167."
    assert question._input.value == "1,500"
    assert with_unit(999.7, "ms") == "1,000 ms"
    assert with_unit(0.02754, "ms") == "0.0275 ms"


def test_a_choice_is_known_before_its_state_arrives():
    """Keys pressed fast: the message of a choice comes first, its state after the button's."""
    question = predict("ch00.colour", "Which one?", options=["red", "green"])
    choices = question._input
    choices._handle_custom_msg({"index": 1}, [])
    choices.set_state({"index": 0})  # an older state, which waited
    question._button.click()
    assert question.guess == "green"
    assert choices.value == "green"


def test_a_message_that_names_no_answer_chooses_nothing():
    question = predict("ch00.colour", "Which one?", options=["red", "green"])
    question._input._handle_custom_msg({"index": 2}, [])
    assert question._input.value is None
