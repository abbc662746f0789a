"""The files that ship with the kit weigh and read what their result files say."""

import pytest
import torch

import edu_lib as edu
from edu_lib.deploy import container
from edu_lib.techniques.rate_distortion import Rated
from edu_lib.weights import WEIGHTS_FOLDER
from studies import network_files
from studies.network_files import ROWS, PricedLoss

RESULTS = sorted({row.result for row in ROWS.values()})


def stored_rows() -> list[dict]:
    return [row for result in RESULTS for row in edu.load_result(result)["rows"]]


@pytest.mark.parametrize("row", stored_rows(), ids=lambda row: row["row"])
def test_file_weighs_and_reads_what_the_result_says(row):
    path = WEIGHTS_FOLDER / row["file"]
    assert path.stat().st_size == row["file_bytes"] <= row["bytes"]
    test = edu.mnist().test
    error = 100 - edu.evaluate(container.load(path), test.X, test.y).accuracy
    # another processor may add in another order: two images of 10,000
    assert error == pytest.approx(row["file_error"], abs=0.021)
    assert min(row["errors"]) <= error + 0.021
    assert row["error_worst"] == max(row["errors"])
    assert len(row["errors"]) == row["seeds"]


def test_price_rises_and_then_stays():
    loss = PricedLoss(price=10_000.0, num_steps=10)
    rated = Rated(torch.zeros(1, 10), torch.tensor(1.0))
    y = {"teacher": torch.zeros(1, 10), "labels": torch.zeros(1, dtype=torch.uint8)}
    distance = float(network_files.distillation(rated.outputs, y))
    prices = [float(loss(rated, y)) - distance for _ in range(6)]
    assert prices[:4] == pytest.approx([0.3, 0.55, 0.8, 1.0], abs=1e-5)
    assert prices[-1] == pytest.approx(1.0, abs=1e-5)


def test_folding_changes_no_answer():
    torch.manual_seed(0)
    model = ROWS["tiny"].build().train()
    X = torch.rand(16, 1, 28, 28)
    for _ in range(3):
        model(X)
    plain = network_files.without_norms(model)
    torch.testing.assert_close(plain.eval()(X), model.eval()(X), atol=1e-4, rtol=1e-4)
    content = container.dumps(plain)
    assert type(container.loads(content)).__name__ == "TinyNet"
