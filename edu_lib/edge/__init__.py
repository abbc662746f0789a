"""Cloud versus edge: a real server, a network in between, who listens, what it costs. Chapter 06.

with serve("network.onnx") as server: server.predict(frame)
"""

from edu_lib.edge.carve import find_pictures
from edu_lib.edge.client import Client, RefusedFrame
from edu_lib.edge.cost import Costs
from edu_lib.edge.eavesdrop import DOWN, UP, Chunk, Exchange, Tap, eavesdrop
from edu_lib.edge.frames import decode_frame, encode_frame
from edu_lib.edge.journey import Journeys, plan_journeys
from edu_lib.edge.network import Outage, Profile, fibre_rtt_ms, profiles, tunnel
from edu_lib.edge.published import load_published
from edu_lib.edge.result import StreamResult
from edu_lib.edge.server import Server, serve
from edu_lib.edge.service import Network
from edu_lib.edge.stream import simulate, stream

__all__ = [
    "DOWN",
    "UP",
    "Chunk",
    "Client",
    "Costs",
    "Exchange",
    "Journeys",
    "Network",
    "Outage",
    "Profile",
    "RefusedFrame",
    "Server",
    "StreamResult",
    "Tap",
    "decode_frame",
    "eavesdrop",
    "encode_frame",
    "fibre_rtt_ms",
    "find_pictures",
    "load_published",
    "plan_journeys",
    "profiles",
    "serve",
    "simulate",
    "stream",
    "tunnel",
]
