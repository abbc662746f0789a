"""What `python3 -m studies.gpu_visit` recorded of GPUs, as lines for a chapter. Chapter 05."""

from collections.abc import Callable, Iterator
from pathlib import Path

import edu_lib as edu

COMMAND = "python3 -m studies.gpu_visit"


def recorded_gpus(folder: str | Path | None = None) -> dict[str, dict]:
    """{name of a GPU: what was measured on it}; empty where none was visited.

    folder: where gpu_visit.json lies, by default data/results. Raises ValueError if it is damaged.
    """
    try:
        return edu.load_result("gpu_visit", folder)["devices"]
    except FileNotFoundError:
        return {}


def gpu_lines(*parts: str, networks: tuple[str, ...] = (), folder: str | Path | None = None) -> str:
    """How many GPUs are recorded, and what their visits say, a line a figure.

    parts: of LINES. networks: those of the batch sweep to show. Raises ValueError for another part.
    """
    unknown = set(parts) - LINES.keys()
    if unknown:
        raise ValueError(f"a visit has no part {sorted(unknown)[0]!r}: take of {', '.join(LINES)}")
    visits = recorded_gpus(folder)
    lines = [f"GPUs recorded: {len(visits)}"]
    for device, found in visits.items():
        lines.append(device)
        for part in parts:
            told = LINES[part](found[part]) if part in found else [f"{part}: no time was left"]
            lines += [f"  {line}" for line in told]
        for network in networks:
            lines += [f"  {line}" for line in _batches(network, found.get("sweep", []))]
    if not visits:
        lines.append(f"on a machine with one: {COMMAND}")
    return "\n".join(lines)


def _batches(network: str, sweep: list[dict]) -> Iterator[str]:
    """One image, and the batch that answers most images a second."""
    rows = [row for row in sweep if row["network"] == network]
    for row in [row for row in rows if row["batch"] == 1]:
        best = max(rows, key=lambda each: each["batch"] / each["p50_ms"])
        yield (
            f"{network}: one image {row['p50_ms']:.3g} ms; {best['batch']} together "
            f"{1000 * best['batch'] / best['p50_ms']:,.0f} a second"
        )


def _timing(found: dict) -> Iterator[str]:
    side = found["side"]
    yield (
        f"a product of {side} x {side} numbers: {found['naive_ms']:.3g} ms without waiting, "
        f"{found['right_ms']:.3g} ms in truth"
    )


def _transfer(rows: list[dict]) -> Iterator[str]:
    for row in rows:
        yield (
            f"{row['megabytes']:.3g} MB: {row['there_ms']:.3g} ms there, "
            f"{row['back_ms']:.3g} ms back"
        )


def _precisions(rows: list[dict]) -> Iterator[str]:
    for row in rows:
        if "refused" in row:
            yield f"{row['format']}: refused"
        else:
            yield f"{row['format']}: {row['tera_a_second']:.1f} tera-operations a second"


def _roofline(found: dict) -> Iterator[str]:
    for row in found["products"]:
        yield f"a product of side {row['side']}: {row['gflops']:,.0f} GFLOP/s"
    yield f"a copy on the device: {found['copy_gb_per_second']:,.0f} GB/s"


def _launches(rows: list[dict]) -> Iterator[str]:
    for row in rows:
        kernels = "not counted" if row["kernels"] is None else row["kernels"]
        yield f"{row['network']}: kernels launched for one image: {kernels}, {row['p50_ms']:.3g} ms"


def _energy(found: dict) -> Iterator[str]:
    joules = found["joules_a_run"]
    yield (
        "energy: not measured" if joules is None else f"heavy road network: {joules:.3g} J an image"
    )


LINES: dict[str, Callable[..., Iterator[str]]] = {
    "timing": _timing,
    "transfer": _transfer,
    "precisions": _precisions,
    "roofline": _roofline,
    "launches": _launches,
    "energy": _energy,
}
