"""The hidden inputs of each exercise: a maker draws the arguments of one call.

An input must be one that the exercise allows; a new exercise gets a line in MAKERS, or in WITHOUT.
"""

from collections.abc import Callable

from tools.course.draw import Draw

# what one right result cannot be told for: no arguments, random numbers of the answer's own, a
# device that is timed, a number that is searched for until it is near enough, a pair of which
# either half may take a factor
WITHOUT = {"ch02.parameters", "ch03.dropout", "ch05.timer", "ch07.rank_one", "ch11.class_shift"}


def output_size(draw: Draw) -> tuple:
    """(pixels, kernel, stride, padding), with a kernel that fits."""
    return draw.randint(17, 90), draw.randint(1, 9), draw.randint(1, 5), draw.randint(0, 4)


def conv_cost(draw: Draw) -> tuple:
    """(C_in, C_out, K, H_out, W_out, groups)."""
    groups = draw.choice([1, 2, 4])
    C_in, C_out = groups * draw.randint(1, 9), groups * draw.randint(1, 9)
    return C_in, C_out, draw.choice([1, 3, 5]), draw.randint(2, 30), draw.randint(2, 30), groups


def grouped(draw: Draw) -> tuple:
    """(X [N, C_in, H, W], weight [C_out, C_in / groups, k, k], groups)."""
    groups, each_in, each_out = draw.randint(2, 4), draw.randint(1, 3), draw.randint(1, 3)
    X = draw.tensor(2, groups * each_in, draw.randint(5, 8), draw.randint(5, 8))
    return X, draw.tensor(groups * each_out, each_in, 3, 3), groups


def shuffled(draw: Draw) -> tuple:
    """(X [N, C, H, W], groups), groups a divisor of C."""
    groups = draw.randint(2, 5)
    return draw.tensor(2, groups * draw.randint(2, 5), 3, 4), groups


def branches(draw: Draw) -> tuple:
    """(W3, b3, W1, b1) of a block with as many outputs as inputs."""
    channels = draw.randint(2, 6)
    W3, W1 = (draw.tensor(channels, channels, size, size) for size in (3, 1))
    return W3, draw.tensor(channels), W1, draw.tensor(channels)


def gradients(draw: Draw) -> tuple:
    """(gradients, counts) of a few processes."""
    num = draw.randint(2, 5)
    return [draw.tensor(2, 3) for _ in range(num)], [draw.randint(1, 20) for _ in range(num)]


def backprop(draw: Draw) -> tuple:
    """(X, y, W, v) of a network with one hidden layer."""
    num, inputs, hidden = draw.randint(2, 6), draw.randint(1, 5), draw.randint(1, 6)
    return (
        draw.tensor(num, inputs),
        draw.tensor(num),
        draw.tensor(hidden, inputs),
        draw.tensor(hidden),
    )


def curve(draw: Draw) -> tuple:
    """(sizes, accuracies, wanted), the accuracy wanted inside the curve."""
    accuracies = sorted(round(draw.uniform(60, 99), 2) for _ in range(4))
    wanted = draw.uniform(accuracies[0] + 0.01, accuracies[-1] - 0.01)
    return [100, 400, 1500, 6000], accuracies, wanted


def mistakes_of_two(draw: Draw) -> tuple:
    """(predicted, true, class) of two maps in which the class is present."""
    predicted, true = (draw.classes(9, 11, num_classes=3) for _ in range(2))
    return predicted, true, draw.randint(0, 2)


def latencies(draw: Draw) -> list:
    """Milliseconds of an answer, None where it was lost."""
    return [None if draw.random() < 0.2 else time for time in draw.times(12, 5, 150)]


def csr(draw: Draw) -> tuple:
    """A matrix of which about half is zero, one row of it whole."""
    matrix = draw.classes(draw.randint(2, 5), draw.randint(2, 6), num_classes=3).float()
    matrix[draw.randrange(len(matrix))] = 0
    return (matrix,)


def remove(draw: Draw) -> tuple:
    """(weight1, bias1, weight2, channel)."""
    width = draw.randint(2, 6)
    weights = draw.tensor(width, 3, 3, 3), draw.tensor(width), draw.tensor(4, width, 3, 3)
    return *weights, draw.randrange(width)


def fold(draw: Draw) -> tuple:
    """(weight, bias, gamma, beta, mean, variance, eps)."""
    width = draw.randint(1, 5)
    vectors = [draw.tensor(width) for _ in range(4)]
    return draw.tensor(width, 2, 3, 3), *vectors, draw.tensor(width).square() + 0.1, 1e-3


def sparse_row(draw: Draw) -> tuple:
    """(row, bits of a gap)."""
    return [draw.choice([0, 0, 0, 0, draw.randint(1, 9)]) for _ in range(24)], draw.randint(1, 3)


def counts(draw: Draw) -> tuple:
    """Counts of symbols that are powers of two: all Huffman codes of them have the same lengths."""
    powers = [2**power for power in range(draw.randint(2, 7))]
    return (dict(zip("abcdefg", [*powers[:1], *powers], strict=False)),)


def roofline(draw: Draw) -> tuple:
    """(FLOPs, bytes, GFLOP/s, GB/s)."""
    return draw.uniform(1e6, 1e9), draw.uniform(1e6, 1e9), draw.uniform(5, 900), draw.uniform(2, 90)


def masked(draw: Draw) -> tuple:
    """(weight, mask, X, y, lr)."""
    mask = draw.classes(3, 4, num_classes=2).bool()
    return draw.tensor(3, 4), mask, draw.tensor(5, 4), draw.tensor(5, 3), 0.1


def ticket(draw: Draw) -> tuple:
    """(first, trained, mask, share)."""
    return draw.tensor(4, 5), draw.tensor(4, 5), draw.classes(4, 5, num_classes=2).bool(), 0.37


def integers(draw: Draw) -> tuple:
    """(qx, zx, qw, bias32, m0, shift) of a linear layer on integers."""
    qw = draw.classes(2, 4, num_classes=255) - 127
    bias32 = draw.classes(2, num_classes=20_000) - 10_000
    m0 = draw.classes(2, num_classes=500) + 1
    qx = draw.classes(3, 4, num_classes=256)
    return qx, draw.randint(0, 255), qw, bias32, m0, draw.randint(8, 16)


def mixed(draw: Draw) -> tuple:
    """(student's logits, teacher's logits, labels, temperature, alpha)."""
    logits = draw.tensor(4, 6), draw.tensor(4, 6)
    return *logits, draw.classes(4, num_classes=6), 3.0, draw.random()


MAKERS: dict[str, Callable[[Draw], tuple]] = {
    "ch00.frame_budget": lambda draw: (draw.randint(2, 240),),
    "ch00.fits": lambda draw: (draw.times(draw.randint(1, 9)), draw.choice([15, 25, 30, 50])),
    "ch00.pipeline": lambda draw: (draw.times(draw.randint(1, 5)), draw.random() < 0.7),
    "ch01.convolve": lambda draw: (draw.tensor(5, 7), draw.tensor(draw.randint(1, 4), 2)),
    "ch01.one_map": lambda draw: (draw.tensor(2, 5, 6), draw.tensor(2, 3, 3), draw.random()),
    "ch01.output_size": output_size,
    "ch01.conv_cost": conv_cost,
    "ch01.receptive_field": lambda draw: (
        [(draw.randint(1, 7), draw.randint(1, 3)) for _ in range(draw.randint(1, 6))],
    ),
    "ch02.c3_connections": lambda draw: (draw.classes(draw.randint(2, 20), 6, num_classes=2),),
    "ch02.backprop": backprop,
    "ch02.backward": lambda draw: tuple(draw.uniform(-2, 2) for _ in range(4)),
    "ch02.shift": lambda draw: (
        draw.tensor(2, 1, 28, 28),
        draw.randint(-9, 9),
        draw.randint(-9, 9),
    ),
    "ch03.max_pool": lambda draw: (
        draw.tensor(2, 2, 9, 12),
        draw.randint(1, 4),
        draw.randint(1, 4),
    ),
    "ch03.grouped_conv": grouped,
    "ch03.average_gradients": gradients,
    "ch04.mirror": lambda draw: (draw.tensor(5, 2, 3, 4), draw.classes(5, num_classes=2).bool()),
    "ch04.images_needed": curve,
    "ch04.budget": lambda draw: (draw.randint(50, 900), 1.5, draw.randint(9, 30), 3),
    "ch05.intensity": lambda draw: (*(draw.randint(1, 10**6) for _ in range(3)), 8),
    "ch05.roofline": roofline,
    "ch05.crossover": lambda draw: (draw.uniform(2, 9), draw.uniform(1, 90), draw.uniform(0.1, 8)),
    "ch06.queue": lambda draw: (
        [draw.randint(1, 30) * 1000 for _ in range(12)],
        draw.choice([10, 25, 50]),
        draw.uniform(1, 6),
    ),
    "ch06.servers": lambda draw: (draw.times(12, 0, 3000), 33.3, draw.uniform(29, 32.5), 200_000.0),
    "ch06.ages": lambda draw: (latencies(draw), draw.choice([10, 20, 40])),
    "ch06.break_even_day": lambda draw: (
        draw.randint(50, 300),
        draw.uniform(0, 2),
        draw.randint(20, 90),
        draw.times(120, 2, 9),
    ),
    "ch07.depthwise": lambda draw: (draw.tensor(3, 7, 6), draw.tensor(3, 3, 3)),
    "ch07.macs": lambda draw: (*(draw.randint(1, 60) for _ in range(4)), 3),
    "ch07.intensity": lambda draw: tuple(draw.randint(1, 10**6) for _ in range(4)),
    "ch08.mask": lambda draw: (draw.tensor(4, draw.randint(2, 9)), draw.choice([0.25, 0.5, 0.75])),
    "ch08.masked_step": masked,
    "ch08.taylor": lambda draw: (draw.tensor(3, 4, 2, 2), draw.tensor(3, 4, 2, 2)),
    "ch08.ticket": ticket,
    "ch08.csr": csr,
    "ch08.remove": remove,
    "ch08.width": lambda draw: (draw.randint(8, 200), draw.choice([0.25, 0.5, 0.75]), 8),
    "ch09.quantize": lambda draw: (draw.tensor(4, 5), 0.0625, draw.randint(0, 200), 255),
    "ch09.scales": lambda draw: (draw.tensor(5, 2, 3, 3), draw.randint(2, 8)),
    "ch09.fold": fold,
    "ch09.int_linear": integers,
    "ch09.ste": lambda draw: (3 * draw.tensor(3, 4),),
    "ch10.gaps": sparse_row,
    "ch10.kmeans": lambda draw: (draw.tensor(30), draw.tensor(draw.randint(2, 5))),
    "ch10.huffman": counts,
    "ch10.learned": lambda draw: (draw.classes(draw.randint(1, 40), num_classes=2).tolist(),),
    "ch11.soften": lambda draw: (draw.tensor(4, 6), draw.uniform(0.5, 9)),
    "ch11.soft_target_loss": lambda draw: (draw.tensor(4, 6), draw.tensor(4, 6), 3.0),
    "ch11.mixed_loss": mixed,
    "ch11.attention_map": lambda draw: (draw.tensor(2, 3, 4, 5),),
    "ch12.iou": mistakes_of_two,
    "ch12.sharing": lambda draw: (*draw.times(3), draw.randint(2, 6)),
    "ch12.cosine": lambda draw: (draw.tensor(3, 4), draw.tensor(3, 4)),
    "ch12.pcgrad": lambda draw: (draw.tensor(5), draw.tensor(5)),
    "ch12.uncertainty": lambda draw: (draw.uniform(0.05, 9),),
    "ch13.fire": lambda draw: tuple(draw.randint(2, 90) for _ in range(4)),
    "ch13.shuffle": shuffled,
    "ch13.merge": branches,
    "ch14.share": lambda draw: (draw.times(draw.randint(1, 4), 1, 6), draw.uniform(1, 40)),
    "ch14.front": lambda draw: (
        [(draw.randint(1, 9), draw.randint(60, 69)) for _ in range(draw.randint(2, 9))],
    ),
    "ch14.metres": lambda draw: (
        draw.uniform(1, 15),
        draw.choice([25, 30, 60]),
        draw.uniform(9, 130),
    ),
    "ch14.collision": lambda draw: (
        draw.uniform(20, 60),
        draw.uniform(5, 50),
        draw.uniform(0.1, 1),
    ),
    "ch15.mean": lambda draw: (draw.times(draw.randint(1, 6), 0.5, 9),),
    "ch15.scatter": lambda draw: (draw.times(draw.randint(2, 8)),),
    "ch15.verdict": lambda draw: (draw.uniform(1, 9), draw.uniform(1, 9), draw.uniform(0.1, 2)),
}
