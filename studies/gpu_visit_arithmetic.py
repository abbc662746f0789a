"""What a visited GPU can do at most: products of matrices, and bytes moved there and back."""

import torch

from studies.gpu_visit_timing import Visit

MEGABYTES = (0.1, 1, 10, 100)
SIDES = (256, 1024, 4096, 8192)


def timing(visit: Visit) -> dict:
    """One product of matrices, timed both ways."""
    side = 4096 // visit.scale
    a = torch.rand(side, side, device=visit.device)
    naive = visit.naive_ms(lambda: a @ a)
    return {"side": side, "naive_ms": naive, "right_ms": visit.right_ms(lambda: a @ a)}


def transfer(visit: Visit) -> list[dict]:
    """Milliseconds there and back, by megabytes; a page-locked copy where the device takes one."""

    def row(megabytes: float) -> dict:
        here = torch.rand(max(1, round(megabytes * 250_000 / visit.scale)))
        there = here.to(visit.device)
        return {
            "megabytes": here.nbytes / 1e6,
            "there_ms": visit.right_ms(lambda: here.to(visit.device, copy=True)),
            "back_ms": visit.right_ms(lambda: there.to("cpu", copy=True)),
        }

    return visit.while_time("transfer", (lambda m=m: row(m) for m in MEGABYTES))


@torch.inference_mode()
def precisions(visit: Visit) -> list[dict]:
    """A large product of matrices in each format that the device computes."""
    side = 4096 // visit.scale
    a = torch.rand(side, side, device=visit.device)

    def product(name: str) -> dict:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
        kinds = {"fp16": torch.float16, "bf16": torch.bfloat16}
        try:
            if name == "int8":
                q = (a * 100).to(torch.int8)
                ms = visit.right_ms(lambda: torch._int_mm(q, q))
            else:
                b = a.to(kinds.get(name, torch.float32))
                ms = visit.right_ms(lambda: b @ b)
        except RuntimeError as error:
            return {"format": name, "refused": str(error).splitlines()[0][:120]}
        finally:
            torch.set_float32_matmul_precision(before)
        return {"format": name, "side": side, "p50_ms": ms, "tera_a_second": 2 * side**3 / ms / 1e9}

    formats = ("fp32", "tf32", "fp16", "bf16", "int8")
    return visit.while_time("precisions", (lambda n=n: product(n) for n in formats))


def roofline(visit: Visit) -> dict:
    """Products of matrices of growing sides, and gigabytes a second of a copy on the device."""

    def product(side: int) -> dict:
        a = torch.rand(side, side, device=visit.device)
        return {"side": side, "gflops": 2 * side**3 / visit.right_ms(lambda: a @ a) / 1e6}

    sides = [max(side // visit.scale, 16) for side in SIDES]
    products = visit.while_time("roofline", (lambda s=s: product(s) for s in sides))
    x = torch.rand(64_000_000 // visit.scale, device=visit.device)
    return {
        "products": products,
        "copy_gb_per_second": 2 * x.nbytes / visit.right_ms(x.clone) / 1e6,
    }
