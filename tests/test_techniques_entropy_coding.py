"""Entropy coding against constriction, brute force and Shannon's bound."""

import itertools
import math

import constriction
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edu_lib.techniques.entropy_coding import (
    AdaptiveBit,
    AdaptiveFloats,
    AdaptiveNumber,
    BitCounter,
    HuffmanCode,
    Mixture,
    RangeDecoder,
    RangeEncoder,
    canonical_codes,
    code_bits,
    code_lengths,
    code_levels,
    entropy,
    entropy_bits,
    from_gaps,
    levels_bits,
    to_gaps,
)
from edu_lib.weights import WEIGHTS_FOLDER

RNG = np.random.default_rng(0)
COUNTS = [
    [5, 9, 12, 13, 16, 45],
    [1, 1, 1, 1],
    [1000, 1],
    [0, 7, 0, 7, 1],
    RNG.integers(0, 100, 300).tolist(),
    [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89],
]


def sparse_levels(shape, density=0.1, largest=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(-largest, largest + 1, shape, generator=generator)
    return levels * (torch.rand(shape, generator=generator) < density)


# Huffman


@pytest.mark.parametrize("counts", COUNTS)
def test_huffman_is_as_short_as_constrictions_and_within_a_bit_of_entropy(counts):
    code = HuffmanCode.of(counts)
    assert entropy(counts) <= code.num_bits(counts) / sum(counts) < entropy(counts) + 1
    tree = constriction.symbol.huffman.EncoderHuffmanTree(np.array(counts, np.float64))
    theirs = 0
    for symbol, count in enumerate(counts):
        if count:
            stack = constriction.symbol.QueueEncoder()
            stack.encode_symbol(symbol, tree)
            theirs += count * stack.get_compressed()[1]
    assert code.num_bits(counts) <= theirs


@pytest.mark.parametrize("counts", [[1, 2, 3, 4], [1, 1, 1, 7], [3, 3, 2, 9, 1], [1, 1, 4, 2, 1]])
def test_no_prefix_code_is_shorter(counts):
    lengths = range(1, len(counts))
    best = min(
        sum(n * length for n, length in zip(counts, choice, strict=True))
        for choice in itertools.product(lengths, repeat=len(counts))
        if sum(2.0**-length for length in choice) <= 1
    )
    assert HuffmanCode.of(counts).num_bits(counts) == best


@pytest.mark.parametrize("counts", COUNTS)
def test_no_code_word_begins_another_and_all_words_are_used(counts):
    words = sorted(canonical_codes(code_lengths(counts)).values())
    assert not any(b.startswith(a) for a, b in itertools.pairwise(words))
    assert sum(2.0 ** -len(word) for word in words) == 1


def test_canonical_words_are_those_of_rfc_1951():
    # section 3.2.2: lengths (3, 3, 3, 3, 3, 2, 4, 4) of A to H
    codes = canonical_codes([3, 3, 3, 3, 3, 2, 4, 4])
    expected = ["010", "011", "100", "101", "110", "00", "1110", "1111"]
    assert [codes[symbol] for symbol in range(8)] == expected


@pytest.mark.parametrize("counts", [*COUNTS, [0, 3]])
def test_huffman_decodes_what_it_wrote(counts):
    message = RNG.permutation(np.repeat(np.arange(len(counts)), counts)).tolist()
    code = HuffmanCode.of(counts)
    bits = code.encode(message)
    assert len(bits) == code.num_bits(counts)
    again = HuffmanCode(code.lengths)  # the lengths alone bring the code back
    assert again.decode(iter(bits), len(message)) == message


def test_huffman_takes_a_tensor_of_symbols():
    code = HuffmanCode.of([1, 2, 3])
    symbols = torch.tensor([[0, 1, 1], [2, 2, 2]])
    assert code.encode(symbols) == code.encode([0, 1, 1, 2, 2, 2])
    with pytest.raises(ValueError, match="symbol 3 did not occur"):
        code.encode(symbols + 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: HuffmanCode.of([]), "one symbol that occurs"),
        (lambda: HuffmanCode.of([0, 0]), "one symbol that occurs"),
        (lambda: HuffmanCode.of([3, -1]), "counts of 0 and more"),
        (lambda: HuffmanCode([1, 1, 1]), "no prefix code has the lengths"),
        (lambda: HuffmanCode([33, 1]), "from 1 to 32"),
        (lambda: HuffmanCode.of([1, 2]).encode([2]), "symbol 2 did not occur"),
        (lambda: HuffmanCode([2, 2]).decode(iter("11"), 1), "no code word"),
        (lambda: HuffmanCode([2, 2]).decode(iter("0"), 1), "end in the middle"),
        (lambda: entropy([0]), "one symbol that occurs"),
    ],
)
def test_huffman_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# The range coder


def coded(code, *messages):
    """Bytes that `code(coder, message)` writes for the messages, one after the other."""
    encoder = RangeEncoder()
    for message in messages:
        code(encoder, message)
    return encoder.finish()


@pytest.mark.parametrize("p", [0.5, 0.1, 0.9, 0.001, 0.99999])
def test_range_coder_meets_constriction_and_the_entropy(p):
    bits = (RNG.random(20_000) < p).astype(np.int32)
    p1 = min(65535, max(1, round(p * 65536)))
    data = coded(lambda coder, all_bits: [coder.code(p1, bit) for bit in all_bits], bits.tolist())
    ideal = -(bits * np.log2(p1 / 65536) + (1 - bits) * np.log2(1 - p1 / 65536)).sum()
    assert ideal / 8 - 1 < len(data) <= ideal / 8 * 1.001 + 2
    theirs = constriction.stream.queue.RangeEncoder()
    model = constriction.stream.model.Bernoulli(p1 / 65536, perfect=False)
    theirs.encode(bits, model)
    assert len(data) <= 4 * len(theirs.get_compressed()) * 1.001 + 1
    decoder = RangeDecoder(data)
    assert [decoder.code(p1) for _ in bits] == bits.tolist()
    decoder.finish()


def test_range_coder_holds_with_probabilities_that_change_at_every_bit():
    for seed in range(300):
        rng = np.random.default_rng(seed)
        p = rng.choice([1, 2, 300, 32768, 65000, 65534, 65535], 1 + seed % 90).tolist()
        # mostly the improbable bit, so that carries and long shifts occur
        bits = [int(rng.random() < (0.9 if p1 < 32768 else 0.1)) for p1 in p]
        encoder = RangeEncoder()
        counter = BitCounter()
        for p1, bit in zip(p, bits, strict=True):
            encoder.code(p1, bit)
            counter.code(p1, bit)
        data = encoder.finish()
        assert len(data) < counter.bits / 8 * 1.001 + 2
        decoder = RangeDecoder(data)
        assert [decoder.code(p1) for p1 in p] == bits
        decoder.finish()


def test_carry_runs_through_bytes_of_255():
    encoder = RangeEncoder()
    encoder.low, encoder.range = 0xFFFFFFFF, 1 << 24
    encoder.out = bytearray([7, 255, 255])
    encoder.code(1, 0)
    encoder._carry(1 << 32)
    assert encoder.out[:3] == bytes([8, 0, 0])


def test_an_adaptive_bit_costs_what_the_estimator_says_and_nearly_the_entropy():
    bits = (RNG.random(3_000) < 0.03).astype(int).tolist()
    counter, bit_model = BitCounter(), AdaptiveBit()
    for bit in bits:
        bit_model.code(counter, bit)
    zeros, ones, ideal = 0, 0, 0.0
    for bit in bits:
        if zeros + ones < 1000:
            ideal -= math.log2(((ones if bit else zeros) + 0.4) / (zeros + ones + 0.8))
            zeros, ones, before = zeros + (not bit), ones + bit, counter.bits
    # up to 1,000 bits no count was halved
    model, counter = AdaptiveBit(), BitCounter()
    for bit in bits[:1000]:
        model.code(counter, bit)
    assert counter.bits == pytest.approx(ideal, rel=0.01)
    assert before < len(bits) * entropy([bits.count(0), bits.count(1)]) * 1.05 + 10


def test_adaptive_probabilities_cost_the_same_in_constriction():
    """The same probabilities, bit by bit, given to constriction's coder."""
    bits = (RNG.random(2_000) < np.linspace(0.02, 0.6, 2_000)).astype(int).tolist()

    class Recorder(RangeEncoder):
        def code(self, p1, bit):
            probabilities.append(p1)
            return super().code(p1, bit)

    probabilities = []
    encoder, mixture, previous = Recorder(), Mixture(2), 0
    for bit in bits:
        mixture.code(encoder, (0, previous), bit)
        previous = bit
    theirs = constriction.stream.queue.RangeEncoder()
    family = constriction.stream.model.Bernoulli(perfect=False)
    theirs.encode(np.array(bits, np.int32), family, np.array(probabilities) / 65536)
    ours = len(encoder.finish())
    assert abs(ours - theirs.num_bits() / 8) <= 0.002 * ours + 5


def test_a_mixture_finds_the_context_that_matters():
    rng = np.random.default_rng(1)
    known = rng.integers(0, 2, 4_000).tolist()
    noise = rng.integers(0, 2, 4_000).tolist()
    bits = [k if rng.random() < 0.97 else 1 - k for k in known]
    mixed, counter = Mixture(3), BitCounter()
    for bit, k, n in zip(bits, known, noise, strict=True):
        mixed.code(counter, (0, n, k), bit)
    assert counter.bits < 1.1 * 4_000 * entropy([97, 3])
    plain, order0 = BitCounter(), AdaptiveBit()
    for bit in bits:
        order0.code(plain, bit)
    assert plain.bits > 3_900


def test_range_decoder_says_where_a_message_ends():
    bits = RNG.integers(0, 2, 400).tolist()
    data = coded(lambda coder, all_bits: [coder.code(32768, bit) for bit in all_bits], bits)
    decoder = RangeDecoder(data[:20])
    with pytest.raises(ValueError, match="ends early"):
        [decoder.code(32768) for _ in bits]
    decoder = RangeDecoder(data + b"more")
    assert [decoder.code(32768) for _ in bits] == bits
    with pytest.raises(ValueError, match="bytes follow the message"):
        decoder.finish()


# Numbers, floats, levels


def test_numbers_come_back_and_small_ones_cost_less():
    numbers = [0, 1, 2, 3, 0, 0, 5, 100, 2**31 - 2, 17, 0]
    encoder, model = RangeEncoder(), AdaptiveNumber()
    for number in numbers:
        model.code(encoder, number)
    decoder, model = RangeDecoder(encoder.finish()), AdaptiveNumber()
    assert [model.code(decoder) for _ in numbers] == numbers
    small, large = BitCounter(), BitCounter()
    AdaptiveNumber().code(small, 1)
    AdaptiveNumber().code(large, 1000)
    assert small.bits < 4 < large.bits
    with pytest.raises(ValueError, match="a number here is from 0 to"):
        AdaptiveNumber(8).code(small, 255)
    with pytest.raises(ValueError, match="a number here is from 0 to"):
        AdaptiveNumber(8).code(small, -1)


def test_plain_bits_cost_one_each():
    counter = BitCounter()
    assert code_bits(counter, 13, 4242) == 4242
    assert counter.bits == 13
    data = coded(lambda coder, value: code_bits(coder, 13, value), 4242)
    assert code_bits(RangeDecoder(data), 13) == 4242


@pytest.mark.parametrize("digits", [0, 4, 10, 23])
def test_floats_come_back_exactly_and_rounded_ones_cost_less(digits):
    values = RNG.normal(0, 0.1, 60).astype(np.float32)
    mask = np.uint32(0xFFFFFFFF << (23 - digits) & 0xFFFFFFFF)
    values = (values.view(np.uint32) & mask).view(np.float32)
    values[:6] = [0, -0.0, 3e38 if digits == 23 else 2.0**127, 1.5 if digits else 1, 2**-126, 0]
    encoder, counter = RangeEncoder(), BitCounter()
    AdaptiveFloats().code(encoder, 60, values)
    AdaptiveFloats().code(counter, 60, values)
    data = encoder.finish()
    decoder = RangeDecoder(data)
    again = AdaptiveFloats().code(decoder, 60)
    decoder.finish()
    assert again.tobytes() == values.tobytes()
    assert len(data) <= counter.bits / 8 + 2
    assert counter.bits < 60 * (digits + 9)


def test_floats_that_are_none_are_refused():
    for bad in (np.inf, np.nan):
        with pytest.raises(ValueError, match="infinite or not a number"):
            AdaptiveFloats().code(BitCounter(), 1, np.array([bad], np.float32))


@pytest.mark.parametrize(
    "shape", [(6, 4, 3, 3), (12, 30), (5, 1, 5, 5), (9,), (3, 2, 7), (1, 1), (4, 0), (0,), ()]
)
@pytest.mark.parametrize("density", [0.0, 0.1, 1.0])
def test_levels_come_back(shape, density):
    levels = sparse_levels(shape, density, largest=20)
    data = coded(lambda coder, q: code_levels(coder, q.shape, q), levels)
    decoder = RangeDecoder(data)
    again = code_levels(decoder, shape)
    decoder.finish()
    assert again.shape == levels.shape
    assert torch.equal(again.long(), levels)
    assert len(data) <= levels_bits(levels) / 8 + 2


def test_large_levels_and_several_tensors_share_a_message():
    tensors = [torch.tensor([[100_000, -99_999, 0, 13, -14, 15]]), sparse_levels((7, 8)),
               torch.zeros(300, 200, dtype=torch.int64)]  # fmt: skip
    data = coded(lambda coder, q: code_levels(coder, q.shape, q), *tensors)
    decoder = RangeDecoder(data)
    assert all(torch.equal(code_levels(decoder, q.shape).long(), q) for q in tensors)
    decoder.finish()
    assert levels_bits(tensors[2]) < 40


def test_levels_of_a_trained_network_take_less_than_their_entropy():
    weight = load_file(WEIGHTS_FOLDER / "lenet5.safetensors")["c3.weight"]
    threshold = weight.abs().flatten().kthvalue(int(0.9 * weight.numel())).values
    step = weight.abs().max() / 4
    levels = (weight / step).round().int() * (weight.abs() > threshold)
    assert levels_bits(levels) < entropy_bits(levels)
    # rows that are empty cost next to nothing
    levels[:8] = 0
    assert levels_bits(levels) < 0.9 * entropy_bits(levels)


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (torch.zeros(2, 3), "levels are whole numbers of shape"),
        (torch.zeros(3, 2, dtype=torch.int32), "levels are whole numbers of shape"),
        (torch.full((2, 3), 100_001), "levels run up to 100,000"),
    ],
)
def test_levels_refuse(levels, message):
    with pytest.raises(ValueError, match=message):
        code_levels(BitCounter(), (2, 3), levels)


# Relative positions


def test_gaps_are_those_of_the_papers_figure():
    # figure 2: nonzeros at 1, 4 and 15 with 3-bit gaps; the gap of 11 needs a filler zero at 12.
    # The paper writes steps of 3, 8 and 3 places; ours counts the zeros between, one less.
    tensor = torch.zeros(16)
    tensor[[1, 4, 15]] = torch.tensor([3.4, 0.9, 1.7])
    gaps, values = to_gaps(tensor, bits=3)
    assert gaps.tolist() == [1, 2, 7, 2]
    torch.testing.assert_close(values, torch.tensor([3.4, 0.9, 0.0, 1.7]))


@pytest.mark.parametrize("bits", [1, 3, 5, 8])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_gaps_lead_back(bits, density):
    tensor = sparse_levels((11, 3, 5, 5), density, seed=bits)
    positions = to_gaps(tensor, bits)
    assert len(positions.gaps) == 0 or int(positions.gaps.max()) < 2**bits
    assert torch.equal(from_gaps(positions, (11, 3, 5, 5)), tensor)
    # independent: walk through the tensor by hand
    flat, at = torch.zeros(tensor.numel(), dtype=tensor.dtype), -1
    for gap, value in zip(*positions, strict=True):
        at += int(gap) + 1
        flat[at] = value
    assert torch.equal(flat.reshape(tensor.shape), tensor)


def test_gaps_refuse():
    with pytest.raises(ValueError, match="from 1 to 16 bits, got 0"):
        to_gaps(torch.ones(3), 0)
    with pytest.raises(ValueError, match="lead to place 5 of 4"):
        from_gaps(to_gaps(torch.tensor([0, 0, 0, 0, 0, 1]), 8), (4,))
