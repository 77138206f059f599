"""A Ray cluster of one machine that serves until its stdin is closed: `python ray_cluster.py PORT key=value …`."""

from __future__ import annotations

import sys

import ray
from ray import serve

from tagwright.serve.ray_app import build

LEAST_MEMORY = 80 << 20


def main() -> None:
    port, *given = sys.argv[1:]
    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=LEAST_MEMORY,
        include_dashboard=False,
        namespace="test",
    )
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": int(port)})
        serve.run(build(dict(each.split("=", 1) for each in given)))
        sys.stdout.write("serving\n")
        sys.stdout.flush()
        sys.stdin.read()
        serve.shutdown()
    finally:
        ray.shutdown()
    sys.stdout.write("ended\n")


if __name__ == "__main__":
    main()
