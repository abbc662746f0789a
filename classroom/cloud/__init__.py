"""Cloud versus edge: a real server, a network in between, who listens, what it costs. Chapter 06.

with serve("network.onnx") as server: server.predict(frame)
"""

from classroom.cloud.cost import Costs
from classroom.cloud.eavesdrop import DOWN, UP, Chunk, Exchange, Tap, eavesdrop, find_pictures
from classroom.cloud.network import (
    Journeys,
    Outage,
    Profile,
    fibre_rtt_ms,
    plan_journeys,
    profiles,
    tunnel,
)
from classroom.cloud.server import Client, RefusedFrame, Server, serve
from classroom.cloud.service import Network, decode_frame, encode_frame
from classroom.cloud.stream import StreamResult, simulate, stream

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
    "plan_journeys",
    "profiles",
    "serve",
    "simulate",
    "stream",
    "tunnel",
]
