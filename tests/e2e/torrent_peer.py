# SPDX-License-Identifier: BSD-3-Clause
"""A BitTorrent client (libtorrent) that knows others only by its tracker: no DHT, LSD, PEX or UPnP.

    torrent_peer.py TORRENT FOLDER ADDRESS PORT

Seeds what is in FOLDER already, downloads what isn't, until it is ended. Prints a line of JSON
whenever something happens: {"event": ..., ...}.
"""

import json
import signal
import sys

import libtorrent

SETTINGS = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "alert_mask": libtorrent.alert.category_t.status_notification
    | libtorrent.alert.category_t.tracker_notification
    | libtorrent.alert.category_t.error_notification
    | libtorrent.alert.category_t.peer_notification,
    "announce_to_all_trackers": True,
    "allow_multiple_connections_per_ip": True,
}

FLAGS = (libtorrent.torrent_flags.disable_dht | libtorrent.torrent_flags.disable_lsd
         | libtorrent.torrent_flags.disable_pex)


def report(event, **what):
    print(json.dumps({"event": event, **what}), flush=True)


def open_session(address, port):
    listen = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return libtorrent.session({**SETTINGS, "listen_interfaces": listen})


def add_torrent(session, torrent, folder):
    parameters = libtorrent.add_torrent_params()
    parameters.ti = libtorrent.torrent_info(torrent)
    parameters.save_path = folder
    parameters.flags = (parameters.flags | FLAGS) & ~libtorrent.torrent_flags.auto_managed
    parameters.flags &= ~libtorrent.torrent_flags.paused
    return session.add_torrent(parameters)


def watch(session):
    for alert in session.pop_alerts():
        if isinstance(alert, libtorrent.tracker_reply_alert):
            report("tracker", peers=alert.num_peers, message=alert.message())
        elif isinstance(alert, libtorrent.tracker_error_alert):
            report("tracker error", message=alert.message())
        elif isinstance(alert, libtorrent.torrent_finished_alert):
            report("finished")
        elif isinstance(alert, libtorrent.hash_failed_alert):
            report("hash failed", message=alert.message())
        elif isinstance(alert, libtorrent.listen_failed_alert):
            report("listen failed", message=alert.message())


def main():
    torrent, folder, address, port = sys.argv[1:]
    session = open_session(address, int(port))
    handle = add_torrent(session, torrent, folder)
    ended = []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    while not ended:
        session.wait_for_alert(200)
        watch(session)
    status = handle.status()
    report("ended", downloaded=status.total_payload_download, uploaded=status.total_payload_upload)


if __name__ == "__main__":
    main()
