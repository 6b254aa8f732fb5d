# SPDX-License-Identifier: BSD-3-Clause
"""Memory, snapshots and recovery, on the mixed population: a quarter of the peers each in swarms of 1,
5, 50 and 1000."""

from .rig import Cpu, Row, appliance, cluster, room_for, used_memory

RARELY = 3600  # seconds between snapshots: never, but when asked for


def snapshot(process):
    """All that has changed, as fast as it goes."""
    answer = process.call("snapshot")
    assert answer["failed"] == 0, answer
    return answer["seconds"]


def touch_all(process, peers):
    """Announces everybody again, so that every chunk differs from what is stored."""
    process.call(f"bulk {peers} 1")


def write(directory, servers, peers):
    before = used_memory(servers)
    nodes = ",".join(servers.addresses())
    with appliance(directory, "--nodes", nodes, "--interval", RARELY, *room_for(peers)) as process:
        touch_all(process, peers)
        snapshot(process)
        status = process.status()
        assert status["stored_peers"] == peers, status
        yield Row("redis_bytes_per_peer", f"Redis memory a peer (used_memory of the masters, {peers:,} peers)",
                  (used_memory(servers) - before) / peers, "bytes", 24, most=True)
        yield Row("value_bytes_per_peer", "  of it the values themselves", status["stored_bytes"] / peers,
                  "bytes")
        touch_all(process, peers)
        used = process.status()["cpu"]
        with Cpu(servers) as cpu:
            seconds = snapshot(process)
        used = process.status()["cpu"] - used
    yield Row("snapshot_peers_per_cpu_second", "snapshot, peers a CPU-second of masters and replicas",
              peers / 1e6 / (cpu.masters + cpu.replicas), "M", 10)
    yield Row("snapshot_peers_per_master_cpu_second", "  of masters alone", peers / 1e6 / cpu.masters, "M")
    yield Row("snapshot_peers_per_own_cpu_second", "  of the appliance, its tables' export included",
              peers / 1e6 / used, "M")
    yield Row("snapshot_seconds", "  as fast as it goes", seconds, "s", decimals=2)


def recover(directory, peers, key, what, target, *options):
    with appliance(directory, "--interval", RARELY, *room_for(peers), *options) as process:
        status = process.status()
        assert status["loaded_peers"] == status["peers"] == peers, status
        yield Row(key, what, status["load_seconds"], "s", target, most=True, decimals=2)
        yield Row(key.replace("seconds", "peers_per_cpu_second"), "  peers a CPU-second of the appliance",
                  peers / 1e6 / status["cpu"], "M")


def tables_bytes(directory, torrents, peers):
    with appliance(directory, "--directory", directory / "none", "--torrents", torrents, "--peers", peers) as process:
        return process.status()["tables_bytes"]


def tables(directory):
    """What caps reserve, by their differences."""
    million = 1_000_000
    base = tables_bytes(directory, million, million)
    yield Row("table_bytes_per_torrent", "tables, bytes a torrent (reserved)",
              (tables_bytes(directory, 2 * million, million) - base) / million, "bytes")
    yield Row("table_bytes_per_peer", "tables, bytes an IPv4 peer (reserved)",
              (tables_bytes(directory, million, 2 * million) - base) / million, "bytes")


def measure(directory, options):
    yield from tables(directory)
    peers = options.peers // 4000 * 4000  # whole swarms
    with cluster(directory) as servers:
        yield from write(directory, servers, peers)
        yield from recover(directory, peers, "recovery_redis_seconds",
                           f"recovery of {peers:,} peers from the cluster into the tables", 10,
                           "--nodes", ",".join(servers.addresses()))
    files = directory / "files"
    with appliance(directory, "--directory", files, "--interval", RARELY, *room_for(peers)) as process:
        touch_all(process, peers)
        snapshot(process)
        yield Row("file_bytes_per_peer", "files, bytes a peer", process.status()["stored_bytes"] / peers, "bytes")
    yield from recover(directory, peers, "recovery_file_seconds",
                       f"recovery of {peers:,} peers from files (in the page cache)", 5, "--directory", files)
