"""fit and evaluate: they learn, repeat, resume exactly, stop, and run in parallel."""

import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from edu_lib.techniques.distillation import Distilled, distillation_objective
from edu_lib.training import evaluate, fit, random_affine, random_shift
from edu_lib.training.run import one_cycle

ROOT = Path(__file__).resolve().parent.parent


def blobs(num_images=240, seed=0):
    """Images whose bright quadrant is their class: easy, and not linearly trivial in one pixel."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 4, (num_images,), generator=generator)
    X = torch.rand(num_images, 1, 8, 8, generator=generator)
    for image, label in zip(X, y.tolist(), strict=True):
        image[0, 4 * (label // 2) :, 4 * (label % 2) :][:4, :4] += 1
    return X, y


def small_network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(144, 4)
    )


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


quietly = partial(fit, num_epochs=3, batch_size=32, lr=1e-2, device="cpu", progress=False)


def test_it_learns_and_keeps_a_history():
    X, y = blobs()
    model = small_network()
    history = quietly(model, X, y, validation=blobs(seed=1), label_smoothing=0.1)
    assert evaluate(model, *blobs(seed=2)).accuracy > 95
    assert len(history.epochs) == 3
    assert history.train_loss[-1] < history.train_loss[0]
    assert history.validation_accuracy[-1] == evaluate(model, *blobs(seed=1)).accuracy
    assert not model.training


def test_the_same_seed_gives_the_same_weights_and_another_seed_does_not():
    X, y = blobs()
    trained = []
    for seed in (5, 5, 6):
        model = small_network()
        quietly(model, X, y, seed=seed, augment=random_shift)
        trained.append(weights(model))
    assert torch.equal(trained[0], trained[1])
    assert not torch.equal(trained[0], trained[2])


def test_fit_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    model, state = small_network(), torch.manual_seed(3)
    quietly(model, *blobs())
    assert state is not None
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, partial(torch.optim.SGD, momentum=0.9)])
@pytest.mark.parametrize("interrupt_at", [1, 11, 16])
def test_an_interrupted_training_goes_on_exactly(tmp_path, optimizer, interrupt_at):
    X, y = blobs()
    calls = []

    def interrupting_shift(batch):
        calls.append(1)
        if len(calls) == interrupt_at:
            signal.raise_signal(signal.SIGINT)
        return random_shift(batch)

    arguments = {"optimizer": optimizer, "augment": interrupting_shift}
    with pytest.raises(KeyboardInterrupt):
        quietly(small_network(), X, y, checkpoint=tmp_path / "run", **arguments)
    resumed, whole = small_network(seed=9), small_network()
    history = quietly(resumed, X, y, checkpoint=tmp_path / "run", **arguments)
    quietly(whole, X, y, **arguments)
    assert torch.equal(weights(resumed), weights(whole))
    assert len(history.epochs) == 3


def test_a_second_interrupt_ends_a_step_at_once_and_the_last_checkpoint_stays(tmp_path):
    calls = []

    def interrupted_twice(batch):
        calls.append(1)
        if len(calls) == 12:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            calls.append("went on")
        return random_shift(batch)

    before = signal.getsignal(signal.SIGINT)
    run = {"augment": interrupted_twice, "checkpoint": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt, match="within a step"):
        quietly(small_network(), *blobs(), **run)
    assert len(calls) == 12
    assert signal.getsignal(signal.SIGINT) is before
    resumed, whole = small_network(), small_network()
    quietly(resumed, *blobs(), **run)
    assert len(calls) == 12 + 16  # 8 steps an epoch: the second one is done again
    quietly(whole, *blobs(), augment=interrupted_twice)
    assert torch.equal(weights(resumed), weights(whole))


def test_an_interrupt_while_validating_is_not_lost(tmp_path):
    epochs = []

    def validation(model):
        epochs.append(1)
        if len(epochs) == 3:
            signal.raise_signal(signal.SIGINT)
        return 50.0

    run = {"validation": validation, "checkpoint": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt, match="between two epochs"):
        quietly(small_network(), *blobs(), **run)
    assert len(quietly(small_network(), *blobs(), **run).epochs) == 3
    assert len(epochs) == 3


def test_where_interrupts_are_ignored_they_stay_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:

        def shift(batch):
            signal.raise_signal(signal.SIGINT)
            return random_shift(batch)

        assert len(quietly(small_network(), *blobs(), augment=shift).epochs) == 3
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_finished_training_is_not_done_twice(tmp_path):
    X, y = blobs()
    calls = []

    def counted(batch):
        calls.append(1)
        return batch

    arguments = {"checkpoint": tmp_path / "run", "augment": counted, "num_epochs": 2}
    first, second = small_network(), small_network(seed=9)
    history = quietly(first, X, y, **arguments)
    again = quietly(second, X, y, **arguments)
    assert torch.equal(weights(first), weights(second))
    assert again.to_dict() == history.to_dict()
    assert len(calls) == 16


def with_tanh():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Tanh(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(144, 4)
    )


def frozen_network():
    model = small_network()
    model[0].weight.requires_grad_(False)
    return model


def more_dropout():
    model = small_network()
    model[3].p = 0.2
    return model


def squared_error(logits, y):
    return (logits - nn.functional.one_hot(y, 4)).square().mean()


def stop_after(count):
    return lambda history: len(history.epochs) == count


CHANGES = {
    "lr": {"lr": 0.5},
    "network": {"model": with_tanh()},
    "network, dropout": {"model": more_dropout()},
    "network, frozen": {"model": frozen_network()},
    "images": {"X": blobs()[0].flip(0)},
    "images, one pixel": {"X": blobs()[0].index_put((torch.tensor(7),), torch.tensor(0.5))},
    "labels": {"y": blobs()[1].flip(0)},
    "optimizer": {"optimizer": torch.optim.RAdam},
    "optimizer, setting": {"optimizer": partial(torch.optim.AdamW, betas=(0.8, 0.9))},
    "loss": {"loss": squared_error},
    "augment": {"augment": None},
    "augment, setting": {"augment": partial(random_shift, max_shift=1)},
    "augment, lambda": {"augment": lambda X: random_shift(X, 3)},
    "transform": {"transform": lambda X, y: (X, y)},
    "validation": {"validation": blobs(seed=2)},
    "validation, function": {"validation": lambda model: 3.0},
    "stop": {"stop": stop_after(2)},
    "stop, none": {"stop": None},
    "channels_last": {"channels_last": True},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("changed", CHANGES)
def test_a_checkpoint_belongs_to_its_recipe(tmp_path, changed):
    X, y = blobs()

    def recipe():
        return {
            "model": small_network(), "X": X, "y": y, "augment": random_shift,
            "validation": blobs(seed=1), "stop": stop_after(3), "checkpoint": tmp_path / "run",
        }  # fmt: skip

    history = quietly(**recipe())
    other = recipe() | CHANGES[changed]
    before = weights(other["model"]).clone()
    with pytest.raises(ValueError, match=f"another {changed.partition(',')[0]}: delete it"):
        quietly(**other)
    assert torch.equal(weights(other["model"]), before)
    assert quietly(**recipe()).to_dict() == history.to_dict()


def test_another_teacher_is_another_network(tmp_path):
    X, y = blobs()
    arguments = {"loss": distillation_objective(), "checkpoint": tmp_path / "run"}
    quietly(Distilled(small_network(), small_network(seed=1)), X, y, **arguments)
    quietly(Distilled(small_network(seed=5), small_network(seed=1)), X, y, **arguments)
    with pytest.raises(ValueError, match="another network"):
        quietly(Distilled(small_network(), small_network(seed=2)), X, y, **arguments)


def test_a_checkpoint_of_an_older_version_is_refused(tmp_path):
    path = tmp_path / "run"
    quietly(small_network(), *blobs(), checkpoint=path)
    with safe_open(path, framework="pt") as file:
        texts = file.metadata()
    texts["settings"] = json.dumps({"lr": 1e-2})
    save_file(load_file(path), path, metadata=texts)
    with pytest.raises(ValueError, match=r"does not say with which .* older version"):
        quietly(small_network(), *blobs(), checkpoint=path)
    save_file(load_file(path), path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"damaged \(it holds no training"):
        quietly(small_network(), *blobs(), checkpoint=path)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "a"
    quietly(small_network(), *blobs(), checkpoint=path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged"):
        quietly(small_network(), *blobs(), checkpoint=path)


def test_it_stops_early_when_asked():
    history = quietly(small_network(), *blobs(), stop=lambda history: len(history.epochs) == 2)
    assert len(history.epochs) == 2
    assert history.stopped_early


def test_it_trains_outside_the_main_thread():
    model = small_network()
    before = weights(model).clone()
    thread = threading.Thread(target=quietly, args=(model, *blobs()))
    thread.start()
    thread.join()
    assert not torch.equal(weights(model), before)


def test_bfloat16_and_channels_last_learn_too():
    model = small_network()
    quietly(model, *blobs(), precision=torch.bfloat16, channels_last=True)
    assert weights(model).dtype == torch.float32
    assert evaluate(model, *blobs(seed=2)).accuracy > 95


@pytest.mark.parametrize("wrong", [{"num_epochs": 0}, {"batch_size": 0}, {"lr": 0.0}])
def test_bad_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="at least 1"):
        quietly(small_network(), *blobs(), **wrong)


def test_images_without_their_labels_are_refused():
    X, y = blobs()
    with pytest.raises(ValueError, match="same length"):
        quietly(small_network(), X, y[:-1])
    with pytest.raises(ValueError, match="same length"):
        evaluate(small_network(), X[:0], y[:0])


def test_one_cycle_rises_falls_and_ends_at_zero():
    rates = [one_cycle(step, 100, lr=1.0, warmup=0.25) for step in range(100)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == rates[25] == pytest.approx(1.0)
    assert rates[-1] < 1e-3
    assert all(a < b for a, b in itertools.pairwise(rates[:26]))
    assert math.isclose(one_cycle(0, 10, lr=1.0, warmup=0.0), 1.0)


def test_evaluate_counts_errors_as_plain_code_does():
    model, (X, y) = small_network(), blobs()
    model.train()
    result = evaluate(model, X, y, batch_size=7)
    assert model.training
    model.eval()
    wrong = sum(int(model(X[i : i + 1]).argmax()) != int(y[i]) for i in range(len(y)))
    assert result.num_errors == wrong
    assert result.error == pytest.approx(100 * wrong / len(y))


def test_one_logit_is_refused_where_it_would_teach_nothing():
    X, y = blobs()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    for call in (quietly, evaluate):
        with pytest.raises(ValueError, match=r"one a class, got \[.*, 1\]: for one logit"):
            call(model, X, y % 2)


def test_frozen_batch_norms_stay_frozen_when_a_network_is_evaluated():
    X, y = blobs(8)
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 4)).train()
    model[0].eval()
    evaluate(model, X, y)
    assert [part.training for part in model.modules()] == [True, False, True, True]


class Several(nn.Sequential):
    def forward(self, X):
        return {"digit": super().forward(X)}


def test_other_answers_and_labels_are_refused_in_one_sentence():
    X, y = blobs(8)
    dense, dense_y = nn.Conv2d(1, 4, 1), y[:, None, None].expand(-1, 8, 8)
    for call in (evaluate, partial(quietly, validation=(X, dense_y))):
        with pytest.raises(ValueError, match=r"labels \[N\], got \[8, 4, 8, 8\] and \[8, 8, 8\]"):
            call(dense, X, dense_y)
    model = Several(nn.Flatten(), nn.Linear(64, 4))
    for call in (evaluate, quietly):
        with pytest.raises(ValueError, match="gives a dict where one tensor of logits"):
            call(model, X, y)
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    with pytest.raises(ValueError, match=r"needs logits .* got \[8, 4\] and \[8, 1\]"):
        evaluate(flat, X, y[:, None])
    with pytest.raises(ValueError, match=r"labels of shape \[8\] for .*, got .* \[8, 1\]"):
        quietly(flat, X, y[:, None])
    with pytest.raises(ValueError, match="got labels in a dict"):
        quietly(flat, X, {"digit": y})


def test_a_last_batch_too_small_for_a_batch_norm_is_named():
    X, y = blobs(9)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4))
    with pytest.raises(ValueError, match="with 9 images choose another batch_size than 4"):
        quietly(model, X, y, batch_size=4)


def test_evaluation_leaves_the_images_alone():
    class Centred(nn.Module):
        def forward(self, X):
            X -= 0.5
            return X.flatten(1)

    X, y = blobs()
    kept = X.clone()
    evaluate(Centred(), X, y)
    assert torch.equal(X, kept)


def test_random_shift_moves_each_image_as_a_whole():
    X = torch.rand(50, 2, 9, 7) + 1
    shifted = random_shift(X, max_shift=2)
    offsets = set()
    for before, after in zip(X, shifted, strict=True):
        padded = nn.functional.pad(before, (2, 2, 2, 2))
        found = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(padded[:, top : top + 9, left : left + 7], after)
        ]
        assert len(found) == 1
        offsets.update(found)
    assert len(offsets) > 10
    assert torch.equal(random_shift(X, max_shift=0), X)
    with pytest.raises(ValueError, match="0 or more"):
        random_shift(X, max_shift=-1)


def test_random_affine_with_nothing_to_do_changes_nothing():
    X = torch.rand(4, 1, 28, 28)
    same = random_affine(X, degrees=0, translate=0, scale=0, shear=0)
    torch.testing.assert_close(same, X, atol=1e-5, rtol=0)


def test_random_affine_turns_by_the_angle_it_says():
    X = torch.zeros(200, 1, 28, 28)
    X[:, :, 13:15, 20:22] = 1
    turned = random_affine(X, degrees=20, translate=0, scale=0, shear=0)
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    mass = turned.sum(dim=(1, 2, 3))
    x = (turned[:, 0] * columns).sum(dim=(1, 2)) / mass - 13.5
    y = (turned[:, 0] * rows).sum(dim=(1, 2)) / mass - 13.5
    angles = torch.rad2deg(torch.atan2(y, x))
    assert angles.abs().max() < 20.5
    assert angles.abs().max() > 15
    torch.testing.assert_close((x**2 + y**2).sqrt(), torch.full_like(x, 7.0), atol=0.2, rtol=0)


def test_random_affine_turns_images_of_every_shape_alike():
    line = torch.zeros(1, 1, 32, 128)
    line[..., 15:17, :] = 1
    square = nn.functional.pad(line, (0, 0, 48, 48))
    for X in (line, line.transpose(2, 3)):
        torch.manual_seed(0)
        turned = random_affine(X, degrees=20, translate=0, scale=0, shear=0)
        whole = square if X is line else square.transpose(2, 3)
        torch.manual_seed(0)
        wanted = random_affine(whole, degrees=20, translate=0, scale=0, shear=0)
        wanted = wanted[:, :, 48:80] if X is line else wanted[..., 48:80]
        torch.testing.assert_close(turned, wanted, atol=1e-4, rtol=0)


TWO_PROCESSES = """
import sys, torch
sys.path.insert(0, sys.argv[2])
from safetensors.torch import load_file, save_file
from torch import nn
from edu_lib.training import fit
import torch.distributed as dist
torch.set_num_threads(1)
data = load_file(sys.argv[1] + "/data.safetensors")
model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))
model.load_state_dict({k[6:]: v for k, v in data.items() if k.startswith("model.")})
fit(model, data["X"], data["y"], num_epochs=2, batch_size=50, lr=1e-2, device="cpu", progress=False)
save_file(model.state_dict(), f"{sys.argv[1]}/rank{dist.get_rank()}.safetensors")
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_under_torchrun_train_as_one(tmp_path):
    X, y = blobs(num_images=245)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    save_file({"X": X, "y": y, **tensors}, tmp_path / "data.safetensors")
    script = tmp_path / "train.py"
    script.write_text(TWO_PROCESSES)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(script), str(tmp_path), str(ROOT)],
        capture_output=True,
        text=True,
        timeout=1200,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    quietly(model, X, y, num_epochs=2, batch_size=50)
    for rank in (0, 1):
        parallel = load_file(tmp_path / f"rank{rank}.safetensors")
        for name, value in model.state_dict().items():
            torch.testing.assert_close(parallel[name], value, rtol=1e-4, atol=1e-5)


class TwoHeads(nn.Module):
    """One network, two answers: the class, and how bright the image is."""

    def __init__(self):
        super().__init__()
        self.body = small_network()
        self.brightness = nn.Linear(4, 1)

    def forward(self, X):
        logits = self.body(X)
        return {"class": logits, "brightness": self.brightness(logits)[:, 0]}


def two_losses(outputs, y):
    error = (outputs["brightness"] - y["brightness"]).square().mean()
    return nn.functional.cross_entropy(outputs["class"], y["class"]) + error


def test_labels_may_be_a_dict_and_are_transformed_with_the_images():
    X, classes = blobs()
    y = {"class": classes, "brightness": X.mean(dim=(1, 2, 3))}
    seen = []

    def darker(images, labels):
        seen.append(len(images))
        return images / 2, labels | {"brightness": labels["brightness"] / 2}

    def right_answers(model):
        with torch.no_grad():
            answer = model(X / 2)["class"].argmax(dim=1)
        return 100 * (answer == classes).float().mean().item()

    model = TwoHeads()
    history = quietly(
        model, X, y, loss=two_losses, transform=darker, validation=right_answers, num_epochs=20
    )
    assert sum(seen) == 20 * len(X)
    assert history.validation_accuracy[-1] == right_answers(model) > 95
    with torch.no_grad():
        error = (model(X / 2)["brightness"] - y["brightness"] / 2).abs().mean()
    assert error < 0.2


def test_labels_of_different_lengths_are_refused():
    X, y = blobs()
    with pytest.raises(ValueError, match="all labels must be for the same images"):
        quietly(small_network(), X, {"a": y, "b": y[:-1]})
