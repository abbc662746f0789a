"""One file that holds a compressed network: architecture, sizes, codes, tables, biases, checksum.

`save` and `load` a network, `inspect` a file. A file holds no code: it names a network of the kit,
or the class of a network that the caller has.
"""

from edu_lib.deploy.container.file import dumps, inspect, load, loads, save
from edu_lib.deploy.container.registry import NETWORKS
from edu_lib.deploy.container.stream import Inspection, Row
from edu_lib.deploy.container.tensors import Codebook, Levels, dense

__all__ = [
    "NETWORKS",
    "Codebook",
    "Inspection",
    "Levels",
    "Row",
    "dense",
    "dumps",
    "inspect",
    "load",
    "loads",
    "save",
]
