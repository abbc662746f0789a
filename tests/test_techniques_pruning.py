"""Pruning single weights against torch.nn.utils.prune, autograd by hand, and PyTorch's CSR."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune as reference

import edu_lib as edu
from edu_lib.models.lenet import LeNet5, LeNet300100
from edu_lib.models.roadnet import RoadNet
from edu_lib.techniques.pruning import (
    csr_matmul,
    cubic,
    geometric,
    gradient_scores,
    lamp_score,
    lottery_ticket,
    magnitude_mask,
    masks_of,
    nm_mask,
    prunable_weights,
    prune,
    prune_in_steps,
    sparsity_of,
    to_csr,
    to_csr_linear,
    with_masks,
)

SPARSITIES = (0.0, 0.3, 0.5, 0.9, 0.99)
X, Y = torch.rand(16, 1, 28, 28), torch.arange(16) % 10


def lenet(seed=0, build=LeNet5):
    torch.manual_seed(seed)
    return build()


def loss_of(model):
    return F.cross_entropy(model(X), Y)


def layers_of(model):
    return {
        name: part
        for name, part in model.named_modules()
        if isinstance(part, nn.Conv2d | nn.Linear)
    }


def sparsities(model):
    """{layer name: share of zeros in its weight}"""
    return {
        name: (layer.weight == 0).float().mean().item() for name, layer in layers_of(model).items()
    }


def train_a_little(model, steps=3):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()


def assert_untouched(model, before):
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert model.state_dict().keys() == before.keys()


# torch.nn.utils.prune


@pytest.mark.parametrize("sparsity", SPARSITIES)
def test_masks_in_each_layer_are_those_of_pytorch(sparsity):
    model = lenet()
    ours = masks_of(prune(model, sparsity, scope="layer"))
    theirs = copy.deepcopy(model)
    for name, layer in layers_of(theirs).items():
        reference.l1_unstructured(layer, "weight", amount=sparsity)
        assert torch.equal(ours[name], layer.weight_mask.bool()), name


@pytest.mark.parametrize("sparsity", SPARSITIES[:-1])
def test_masks_of_one_threshold_are_those_of_pytorch(sparsity):
    model = lenet()
    pruned = prune(model, sparsity)
    theirs = copy.deepcopy(model)
    parameters = [(layer, "weight") for layer in layers_of(theirs).values()]
    reference.global_unstructured(parameters, reference.L1Unstructured, amount=sparsity)
    for (name, ours), theirs_layer in zip(
        layers_of(pruned).items(), layers_of(theirs).values(), strict=True
    ):
        assert torch.equal(ours.weight, theirs_layer.weight), name
    assert sparsity_of(pruned) == pytest.approx(sparsity, abs=1e-5)
    torch.testing.assert_close(pruned(X), theirs(X))


def test_a_step_of_training_is_that_of_pytorch():
    ours, theirs = prune(lenet(), 0.8), lenet()
    parameters = [(layer, "weight") for layer in layers_of(theirs).values()]
    reference.global_unstructured(parameters, reference.L1Unstructured, amount=0.8)
    for model in (ours, theirs):
        train_a_little(model)
    for one, other in zip(layers_of(ours).values(), layers_of(theirs).values(), strict=True):
        one, other = one.weight, other.weight_orig * other.weight_mask
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_pruning_again_prunes_what_is_left_as_pytorch_does():
    ours = prune(prune(lenet(), 0.6, scope="layer"), 0.8, scope="layer")
    theirs = lenet()
    for name, layer in layers_of(theirs).items():
        reference.l1_unstructured(layer, "weight", amount=0.6)
        reference.l1_unstructured(layer, "weight", amount=0.5)  # of what is left
        assert torch.equal(masks_of(ours)[name], layer.weight_mask.bool()), name


def test_magnitude_mask_zeroes_the_smallest():
    weight = torch.tensor([[-3.0, 0.5], [0.1, -2.0]])
    assert magnitude_mask(weight, 0.5).tolist() == [[True, False], [False, True]]
    assert magnitude_mask(torch.ones(7, 11), 0.5).sum() == 77 - round(0.5 * 77)


# Masks


def test_masked_weights_stay_zero_while_the_rest_trains():
    model = lenet()
    before = copy.deepcopy(model.state_dict())
    pruned = prune(model, 0.9)
    masks = masks_of(pruned)
    first = {name: weight.clone() for name, weight in prunable_weights(pruned).items()}
    train_a_little(pruned)
    for name, weight in prunable_weights(pruned).items():
        assert not weight[~masks[name]].any()
        assert (weight != first[name])[masks[name]].any()
    assert_untouched(model, before)


def test_permanent_zeros_make_a_plain_model():
    model = lenet()
    pruned = prune(model, 0.9)
    plain = edu.to_plain(pruned)
    assert plain.state_dict().keys() == model.state_dict().keys()
    assert type(plain.c1) is nn.Conv2d
    assert torch.equal(plain(X), pruned(X))
    assert sparsity_of(plain) == sparsity_of(pruned) == pytest.approx(0.9, abs=1e-4)
    # the masked model still wears its masks, and so does a copy of it
    assert sparsity_of(copy.deepcopy(pruned)) == sparsity_of(pruned)
    assert set(masks_of(pruned)) == set(layers_of(model))


def test_new_masks_replace_the_old():
    model = lenet()
    ones = {name: torch.ones_like(mask) for name, mask in masks_of(model).items()}
    assert sparsity_of(with_masks(prune(model, 0.5), ones)) == 0
    with pytest.raises(ValueError, match="no layer 'c9'"):
        with_masks(model, {"c9": ones["c1"]})
    with pytest.raises(ValueError, match="the mask of c1"):
        with_masks(model, {"c1": ones["c3"]})


def test_shares_of_single_layers():
    pruned = prune(lenet(), {"f6": 0.5, "c5": 0.9})
    found = sparsities(pruned)
    assert found == pytest.approx({"c1": 0, "c3": 0, "c5": 0.9, "f6": 0.5, "output": 0}, abs=1e-4)
    kept = sparsities(prune(lenet(), 0.5, skip=["c1"]))
    assert kept["c1"] == 0


# Criteria


def test_snip_is_the_gradient_by_a_mask_of_ones():
    model = lenet()
    scores = gradient_scores(model, loss_of)
    masked = with_masks(model, masks_of(model))
    masks = {}
    for name, layer in layers_of(masked).items():
        mask = layer.parametrizations.weight[0]
        mask.mask = mask.mask.float().requires_grad_()
        masks[name] = mask.mask
    loss_of(masked).backward()
    total = sum(mask.grad.abs().sum() for mask in masks.values())
    for name, mask in masks.items():
        torch.testing.assert_close(scores[name], mask.grad.abs() / total, rtol=1e-4, atol=1e-9)
    assert sum(score.sum() for score in scores.values()).item() == pytest.approx(1, abs=1e-5)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_snip_adds_batches_up_and_does_not_move_batch_norm():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(2704, 10))
    model.eval()
    halves = gradient_scores(
        model, lambda part: (F.cross_entropy(part(X[i : i + 8]), Y[i : i + 8]) for i in (0, 8))
    )
    whole = gradient_scores(model, loss_of)
    for name, score in whole.items():
        torch.testing.assert_close(halves[name], score, rtol=1e-3, atol=1e-8)
    before = copy.deepcopy(model.train().state_dict())
    gradient_scores(model, loss_of)
    assert_untouched(model, before)


def test_snip_prunes_the_least_sensitive():
    model = lenet()
    pruned = prune(model, 0.7, importance="gradient", loss=loss_of)
    scores, masks = gradient_scores(model, loss_of), masks_of(pruned)
    lowest_kept = min(scores[name][mask].min() for name, mask in masks.items())
    highest_gone = max(scores[name][~mask].max() for name, mask in masks.items())
    assert highest_gone <= lowest_kept
    with pytest.raises(ValueError, match="needs loss="):
        prune(model, 0.7, importance="gradient")
    with pytest.raises(ValueError, match="does not depend"):
        prune(
            model, 0.7, importance="gradient", loss=lambda part: torch.ones((), requires_grad=True)
        )


def test_lamp_follows_its_definition_and_never_empties_a_layer():
    torch.manual_seed(0)
    weight = torch.randn(4, 5)
    squares = weight.square()
    expected = [[(w / squares[squares >= w].sum()).item() for w in row] for row in squares]
    torch.testing.assert_close(lamp_score(weight), torch.tensor(expected), rtol=1e-5, atol=1e-7)
    model = lenet()
    with torch.no_grad():
        model.f6.weight.mul_(1e-3)
    with pytest.raises(ValueError, match="no weight would be left in f6"):
        prune(model, 0.95)
    assert max(sparsities(prune(model, 0.95, importance="lamp")).values()) < 1


# N:M


@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (4, 4), (1, 2)])
@pytest.mark.parametrize("shape", [(6, 8), (5, 8, 3, 3)])
def test_nm_keeps_the_largest_of_each_group(n, m, shape):
    torch.manual_seed(0)
    weight = torch.randn(shape)
    mask = nm_mask(weight, n, m)
    by_input = weight.movedim(1, -1).reshape(-1, m).abs()
    kept = mask.movedim(1, -1).reshape(-1, m)
    assert (kept.sum(1) == n).all()
    for magnitudes, chosen in zip(by_input, kept, strict=True):
        assert set(magnitudes[chosen].tolist()) == set(sorted(magnitudes.tolist())[m - n :])


# Schedules


def test_schedules_by_their_formulas():
    assert geometric(0.9, 2) == [pytest.approx(0.683772, abs=1e-6), 0.9]
    left = [1 - share for share in geometric(0.99, 5)]
    assert [b / a for a, b in itertools.pairwise(left)] == pytest.approx([left[0]] * 4)
    steps = cubic(0.8, 4, initial=0.2)
    # Zhu and Gupta: s_t = s_f + (s_i - s_f) (1 - t / n)^3
    assert steps == pytest.approx([0.8 - 0.6 * (1 - t / 4) ** 3 for t in (1, 2, 3, 4)])
    assert steps == sorted(steps)


def test_steps_recover_after_each():
    seen = []
    model = lenet()
    before = copy.deepcopy(model.state_dict())
    pruned = prune_in_steps(model, geometric(0.9, 3), lambda part: seen.append(sparsity_of(part)))
    assert seen == pytest.approx(geometric(0.9, 3), abs=1e-4)
    assert sparsity_of(pruned) == pytest.approx(0.9, abs=1e-4)
    assert_untouched(model, before)
    for bad in ([], [0.9, 0.5]):
        with pytest.raises(ValueError, match="must rise"):
            prune_in_steps(model, bad, lambda part: None)


# Lottery tickets


def test_tickets_wear_the_trained_masks_on_the_first_weights():
    calls = []

    def train(model):
        calls.append(sparsity_of(model))
        train_a_little(model, steps=2)

    tickets = lottery_ticket(LeNet300100, train, rounds=2, share={"fc1": 0.5, "fc2": 0.2}, seed=3)
    torch.manual_seed(3)
    first = LeNet300100()
    assert [ticket.sparsity for ticket in tickets] == calls
    for ticket in tickets:
        for name, weight in prunable_weights(ticket.model).items():
            mask = masks_of(ticket.model)[name]
            assert torch.equal(weight, prunable_weights(first)[name] * mask)
            assert torch.equal(masks_of(ticket.control)[name], mask)
            assert torch.equal(masks_of(ticket.trained)[name], mask)
            assert not torch.equal(prunable_weights(ticket.control)[name], weight)
    # round 1 prunes the smallest of what round 0 trained, round 2 of what round 1 trained
    for before, after, share in zip(tickets, tickets[1:], (0.5, 0.75), strict=False):
        weight = prunable_weights(before.trained)["fc1"]
        assert torch.equal(masks_of(after.model)["fc1"], magnitude_mask(weight, share))
    assert sparsities(tickets[2].model)["fc2"] == pytest.approx(1 - 0.8**2, abs=1e-4)
    assert sparsities(tickets[2].model)["fc3"] == 0


def test_a_ticket_search_leaves_the_random_state_alone_and_repeats():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    one = lottery_ticket(LeNet5, lambda part: None, rounds=1)
    assert torch.equal(torch.get_rng_state(), state)
    again = lottery_ticket(LeNet5, lambda part: None, rounds=1)
    assert torch.equal(one[1].model(X), again[1].model(X))
    for bad, message in (
        ({"rounds": -1}, "rounds must be"),
        ({"rounds": 1, "share": 1.0}, "share"),
    ):
        with pytest.raises(ValueError, match=message):
            lottery_ticket(LeNet5, lambda part: None, **bad)


# CSR


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 1.0])
def test_csr_is_that_of_pytorch(sparsity):
    torch.manual_seed(0)
    matrix = torch.randn(7, 9) * (torch.rand(7, 9) >= sparsity)
    ours, theirs = to_csr(matrix), matrix.to_sparse_csr()
    assert torch.equal(ours.values, theirs.values())
    assert torch.equal(ours.columns.long(), theirs.col_indices())
    assert torch.equal(ours.row_starts.long(), theirs.crow_indices())
    inputs = torch.randn(9, 4)
    torch.testing.assert_close(csr_matmul(ours, inputs), theirs @ inputs)
    assert ours.num_bytes() == 8 * len(ours.values) + 4 * 8
    assert ours.columns.dtype == ours.row_starts.dtype == torch.int32


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(12, 6), (5, 12)),
        (nn.Linear(12, 6, bias=False), (1, 12)),
        (nn.Conv2d(12, 6, 1), (2, 12, 3, 5)),
    ],
)
def test_csr_layers_compute_what_the_dense_layers_compute(layer, shape):
    pruned = edu.to_plain(prune(nn.Sequential(layer), 0.8))[0]
    inputs = torch.randn(shape)
    sparse = to_csr_linear(pruned)
    torch.testing.assert_close(sparse(inputs), pruned(inputs), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        cost = edu.count_cost(nn.Sequential(sparse), shape)
    places = inputs.numel() // inputs.shape[1]
    assert cost.macs == int((pruned.weight != 0).sum()) * places


def test_csr_of_a_masked_layer_takes_the_mask():
    pruned = prune(lenet(), 0.9)
    sparse = to_csr_linear(pruned.f6)
    assert len(sparse.values) == masks_of(pruned)["f6"].sum()
    assert sparse.state_dict().keys() == {"values", "columns", "row_starts", "bias"}


def test_csr_refuses_what_it_cannot_hold():
    for layer, message in (
        (nn.Conv2d(3, 4, 3), "1x1 convolution"),
        (nn.Conv2d(4, 4, 1, groups=2), "1x1 convolution"),
        (nn.ReLU(), "got ReLU"),
    ):
        with pytest.raises(ValueError, match=message):
            to_csr_linear(layer)
    with pytest.raises(ValueError, match="CSR holds a matrix"):
        to_csr(torch.ones(3))
    with pytest.raises(ValueError, match="takes X of"):
        csr_matmul(to_csr(torch.ones(3, 4)), torch.ones(3, 4))


# Bad arguments


@pytest.mark.parametrize("sparsity", [1.0, 1.5, -0.1, float("nan")])
def test_a_sparsity_outside_its_range_is_told(sparsity):
    for call in (
        lambda: prune(lenet(), sparsity),
        lambda: prune(lenet(), {"c1": sparsity}),
        lambda: magnitude_mask(torch.ones(4), sparsity),
        lambda: geometric(sparsity, 2),
        lambda: cubic(sparsity, 2),
    ):
        with pytest.raises(ValueError, match=r"must be in \[0, 1\)"):
            call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scope": "channel"}, "scope is one of"),
        ({"importance": "l2"}, "importance is one of"),
        ({"skip": ["c9"]}, "no part 'c9' to skip"),
        ({"importance": {"c1": torch.ones(6, 1, 5, 5)}}, "gives c3 no scores"),
        (
            {"importance": lambda part: dict.fromkeys(layers_of(part), torch.ones(2))},
            "scores of c1",
        ),
        ({"skip": ["c1", "c3", "c5", "f6", "output"]}, "no convolution or linear layer left"),
    ],
)
def test_bad_arguments_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        prune(lenet(), 0.5, **options)


def test_pruning_works_on_a_network_with_skips():
    model = RoadNet(width=0.25, kind="inverted")
    pruned = prune(model, 0.5, importance="lamp")
    assert sparsity_of(pruned) == pytest.approx(0.5, abs=1e-3)
    image = torch.rand(1, 3, 32, 64)
    pruned.eval()
    plain = edu.to_plain(pruned)
    for name, output in pruned(image).items():
        assert torch.equal(output, plain(image)[name])
