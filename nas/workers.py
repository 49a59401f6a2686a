"""Functions over many items in several processes, here or on a Ray cluster."""

from __future__ import annotations

import logging
import multiprocessing
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tflm_mcunet.errors import Error

CONNECT_SECONDS = 10
Map = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[Any]]
"""(function, items) -> results in the order of the items, as they come."""


@contextmanager
def workers(
    count: int | None = None,
    ray: str | None = None,
    initializer: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[Map]:
    """Processes, each of which calls `initializer(*arguments)` first.

    Args:
        count: how many; by default one per processor, of the cluster where `ray` is given. 0: none, all is done here.
        ray: address of a Ray cluster, or `local` for one on this machine; None takes processes of this machine without Ray.

    Raises:
        Error: Ray is missing, or there is no cluster at the address.
    """
    if count == 0:
        if initializer is not None:
            initializer(*arguments)
        yield lambda function, items: map(function, items)
        return
    with _pool(count, ray, initializer, arguments) as pool:
        yield pool.imap


def _pool(count: int | None, ray: str | None, initializer: Callable[..., None] | None, arguments: tuple[Any, ...]) -> Any:
    if ray is None:
        return multiprocessing.get_context("spawn").Pool(count or os.cpu_count(), initializer, arguments)
    try:
        from ray import init, is_initialized
        from ray.util.multiprocessing import Pool
    except ImportError:
        raise Error("--ray needs Ray: pip install 'tflm-mcunet[distributed]'") from None
    if not is_initialized():
        if ray != "local":
            _reach(ray)
        init(None if ray == "local" else ray, logging_level=logging.ERROR, log_to_driver=False)
    return Pool(count, initializer, arguments)


def _reach(address: str) -> None:
    """Raises Error where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        with socket.create_connection((host, int(port)), CONNECT_SECONDS):
            return
    except (OSError, ValueError) as error:
        raise Error(f"--ray {address}: no cluster there ({error})") from None
