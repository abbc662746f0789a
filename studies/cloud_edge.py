"""How many frames miss their 33 ms, in the cloud and beside the camera?

    python3 -m studies.cloud_edge

Times three road networks beside the camera, and the ego network in a real server on loopback, on
one thread. Then ten minutes of frames, with a tunnel in the middle, run on the virtual clock
through every network profile. Writes data/results/cloud_edge.json. Under two minutes on an idle
machine.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch

import edu_lib as edu
from classroom import cloud
from edu_lib.measure import percentile
from edu_lib.models.roadnet import RoadNet
from roads import drive
from studies import frame

NAME = "cloud_edge"
SEED = 6
DRIVE_SECONDS, DRIVE_FPS = 20, 15
WARM_UP = 20
MINUTES = 10
TUNNEL_START_S = 300.0
SHAPE = (1, 3, 128, 256)


def networks() -> dict[str, RoadNet]:
    """The heavy networks as they ship, and a light one whose untrained weights serve for time."""
    torch.manual_seed(SEED)
    return {
        "ego": edu.load_weights(RoadNet(["ego"]), "road_ego"),
        "heavy": edu.load_weights(RoadNet(["segmentation"]), "road_segmentation"),
        "light": RoadNet(["segmentation"], width=0.25),
    }


def frame_sizes(pictures: list[np.ndarray]) -> dict:
    """Bytes of one frame in each form."""
    jpeg = [len(cloud.encode_frame(picture)) for picture in pictures]
    png = [len(cloud.encode_frame(picture, "png")) for picture in pictures]
    return {
        "jpeg": float(np.mean(jpeg)),
        "jpeg_min": min(jpeg),
        "jpeg_max": max(jpeg),
        "png": float(np.mean(png)),
        "raw": len(cloud.encode_frame(pictures[0], "raw")),
        "pictures": len(pictures),
    }


def times_of(call, arguments: list) -> np.ndarray:
    """Milliseconds of call(argument) for each argument, after a warm-up."""
    for argument in arguments[:WARM_UP]:
        call(argument)
    times = []
    for argument in arguments:
        start = time.perf_counter_ns()
        call(argument)
        times.append((time.perf_counter_ns() - start) / 1e6)
    return np.array(times)


def for_minutes(times_ms: np.ndarray, fps: float = 30.0) -> np.ndarray:
    """The measured times, repeated for every frame of the stream."""
    return np.resize(times_ms, round(MINUTES * 60 * fps))


def beside_the_camera(path: Path, pictures: list[np.ndarray]) -> dict:
    """What a stream comes to where the network runs on this machine, one frame at a time."""
    network = cloud.Network(path)
    times_ms = times_of(network.read, pictures)
    result = cloud.simulate(len(for_minutes(times_ms)), for_minutes(times_ms))
    return {
        "p50_ms": percentile(times_ms, 50),
        "p99_ms": percentile(times_ms, 99),
        "share_missed": result.share_missed,
        "share_dropped": 100 * float(result.dropped.mean()),
        "unanswered_in_tunnel": 0,
    }


def in_a_server(path: Path, frames: list[bytes]) -> tuple[dict, np.ndarray]:
    """Times of a real server on loopback; the round trips as the client saw them."""
    computed = []
    with cloud.serve(path) as server:
        round_trips = times_of(
            lambda frame: computed.append(server.predict(frame)["server_ms"]), frames
        )
    computed = computed[WARM_UP:]
    figures = {
        "compute_p50_ms": percentile(computed, 50),
        "round_trip_p50_ms": percentile(round_trips, 50),
        "overhead_p50_ms": percentile(round_trips - np.array(computed), 50),
    }
    return figures, round_trips


def in_the_cloud(profile: cloud.Profile, round_trips: np.ndarray, frame_bytes: float) -> dict:
    """What a stream comes to through a network, with the tunnel in the middle."""
    server_ms = for_minutes(round_trips)
    tunnel = cloud.tunnel(TUNNEL_START_S)
    stream = {"profile": profile, "frame_bytes": round(frame_bytes), "seed": SEED}
    result = cloud.simulate(len(server_ms), server_ms, outages=[tunnel], **stream)
    open_road = cloud.simulate(len(server_ms), server_ms, **stream)
    instant = cloud.simulate(len(server_ms), 0.0, **stream)
    inside = result.between(tunnel.start_s, tunnel.start_s + tunnel.seconds)
    return {
        "p50_ms": open_road.p50_ms,
        "p99_ms": open_road.p99_ms,
        "share_missed": open_road.share_missed,
        "share_missed_by_an_instant_server": instant.share_missed,
        "share_over_50_ms": 100 * float((~(open_road.latency_ms <= 50)).mean()),
        "share_dropped": 100 * float(open_road.dropped.mean()),
        "frames_in_tunnel": len(inside),
        "unanswered_in_tunnel": inside.unanswered,
        "longest_blind_seconds": result.longest_blind_s,
    }


def measure() -> dict:
    """All of it, for the result file."""
    drawn = drive(SEED, seconds=DRIVE_SECONDS, fps=DRIVE_FPS)
    pictures = [sample.image for sample in drawn]
    sizes = frame_sizes(pictures)
    figures = {
        "frame_bytes": sizes,
        "frames": MINUTES * 60 * 30,
        "threads": 1,
        "beside": {},
        "cloud": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, model in networks().items():
            path = edu.export_onnx(model, torch.zeros(SHAPE), Path(folder) / f"{name}.onnx")
            macs = edu.count_cost(model, SHAPE).macs
            figures["beside"][name] = beside_the_camera(path, pictures) | {"macs": macs}
            print(f"{name}: {figures['beside'][name]['p50_ms']:.1f} ms", flush=True)
        frames = [cloud.encode_frame(picture) for picture in pictures]
        figures["server"], round_trips = in_a_server(Path(folder) / "ego.onnx", frames)
    for key, profile in cloud.profiles().items():
        figures["cloud"][key] = in_the_cloud(profile, round_trips, sizes["jpeg"])
        print(f"{key}: {figures['cloud'][key]['share_missed']:.1f} % missed", flush=True)
    raw = in_the_cloud(cloud.profiles()["4g"], round_trips, sizes["raw"])
    figures["cloud_raw_4g"] = raw
    return figures


if __name__ == "__main__":
    frame.start(lambda: frame.study(NAME, __doc__, measure))
