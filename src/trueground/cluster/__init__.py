"""Blocks on a cluster: dask.distributed sends what is computed to processes and machines, and brings results home."""

from trueground.cluster.dask import Dask
from trueground.cluster.named import ENGINES, check_engine, engine_named

__all__ = ["ENGINES", "Dask", "check_engine", "engine_named"]
