"""Annotate on a Ray cluster of two nodes whose bundle goes away once it is packed: `two_machines.py BUNDLE IN OUT`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

import tagwright as tw
from tagwright.scale import run

LEAST_MEMORY = 80 << 20


def main() -> None:
    bundle, source, out = map(Path, sys.argv[1:4])
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "object_store_memory": LEAST_MEMORY, "include_dashboard": False},
    )
    cluster.add_node(num_cpus=1, object_store_memory=LEAST_MEMORY)
    pack = run.pack

    def pack_and_leave(*arguments: Any) -> Any:
        shipment = pack(*arguments)
        bundle.rename(bundle.with_name("away"))
        return shipment

    run.pack = pack_and_leave
    try:
        done = tw.annotate(bundle, source, out, fragment_rows=1024, precision="fp32", address=cluster.address)
        sys.stdout.write(json.dumps(done.to_dict()))
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    main()
