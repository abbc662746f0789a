"""What happens to each frame on its way, decided before anything is sent. Taught in chapter 06.

One seed decides every draw, so that a run in real time and one on the virtual clock agree.
"""

from dataclasses import dataclass

import numpy as np

from edu_lib.edge.network import Outage, Profile

FPS = 30.0
TIMEOUT_MS = 500.0
ATTEMPTS = 2


@dataclass(frozen=True)
class Journeys:
    """The way of N frames through a network. All times in ms, all arrays of N.

    taken_ms: when the camera takes the frame. sent: False if the uplink was still busy with the
    frame before: then the camera drops it, since a newer one is coming. arrives: False if every
    attempt was lost. up_ms: from the camera to the server, waiting for lost attempts included.
    down_ms: from the server back. lost_attempts: how many attempts got no answer.
    """

    taken_ms: np.ndarray
    sent: np.ndarray
    arrives: np.ndarray
    up_ms: np.ndarray
    down_ms: np.ndarray
    lost_attempts: np.ndarray

    def __len__(self) -> int:
        return len(self.taken_ms)


def plan_journeys(
    profile: Profile,
    num_frames: int,
    frame_bytes: int | np.ndarray,
    fps: float = FPS,
    seed: int = 0,
    outages: tuple[Outage, ...] = (),
    timeout_ms: float = TIMEOUT_MS,
    attempts: int = ATTEMPTS,
) -> Journeys:
    """Decides what happens to each frame.

    frame_bytes: of every frame, or [num_frames]. A frame is sent at once, or never. The client
    that hears nothing for `timeout_ms` sends it again, `attempts` times in all. A retry does not
    hold up later frames here. Raises ValueError for numbers that make no sense.
    """
    if num_frames < 1 or fps <= 0 or timeout_ms <= 0 or attempts < 1:
        raise ValueError("num_frames, fps, timeout_ms and attempts must be above 0")
    sizes = np.broadcast_to(np.asarray(frame_bytes), num_frames)
    if (sizes < 1).any():
        raise ValueError("a frame has at least one byte")
    taken_ms = np.arange(num_frames) * 1e3 / fps
    transmit_ms = np.array([profile.transmit_ms(size) for size in sizes])
    rng = np.random.default_rng(seed)
    rtt_ms = profile.draw_rtt(rng, (attempts, num_frames))
    unlucky = rng.random((attempts, num_frames)) < [profile.loss_of(size) for size in sizes]
    # attempt k begins when k timeouts have passed
    begins_ms = taken_ms + timeout_ms * np.arange(attempts)[:, None]
    lost = unlucky | np.any([outage.covers(begins_ms) for outage in outages], axis=0)
    arrives = ~lost.all(axis=0)
    first = np.where(arrives, (~lost).argmax(axis=0), attempts)
    rtt_of_first = rtt_ms[np.minimum(first, attempts - 1), np.arange(num_frames)]
    return Journeys(
        taken_ms=taken_ms,
        sent=starts_when_free(taken_ms, transmit_ms),
        arrives=arrives,
        up_ms=timeout_ms * first + transmit_ms + rtt_of_first / 2,
        down_ms=rtt_of_first / 2,
        lost_attempts=first,
    )


def starts_when_free(taken_ms: np.ndarray, busy_ms: np.ndarray) -> np.ndarray:
    """Which frames find the worker free, if it takes busy_ms[i] for frame i: bool [N].

    A frame that finds it busy is dropped, as in chapter 00.
    """
    started = np.zeros(len(taken_ms), dtype=bool)
    free_at = -np.inf
    for i, (taken, busy) in enumerate(zip(taken_ms, busy_ms, strict=True)):
        # a millionth of a ms for the rounding of i * 1000 / fps
        if taken + 1e-6 >= free_at:
            started[i], free_at = True, taken + busy
    return started
