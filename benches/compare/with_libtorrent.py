"""A seed and a leech with libtorrent at its defaults, but for what would slow it on loopback; used by compare.py."""

import sys
import time

import libtorrent as lt

SETTINGS = {
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_outgoing_utp": False, "enable_incoming_utp": False,
    # Peers of one address, and no waiting for turns.
    "allow_multiple_connections_per_ip": True, "unchoke_slots_limit": -1, "alert_mask": 0,
}


def session(port):
    return lt.session({**SETTINGS, "listen_interfaces": f"127.0.0.1:{port}"})


def create(content, torrent):
    storage = lt.file_storage()
    lt.add_files(storage, content)
    created = lt.create_torrent(storage)
    lt.set_piece_hashes(created, content.rpartition("/")[0])
    with open(torrent, "wb") as file:
        file.write(lt.bencode(created.generate()))


def add(here, torrent, folder, seed):
    params = lt.add_torrent_params()
    params.ti, params.save_path = lt.torrent_info(torrent), folder
    params.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    if seed:
        params.flags |= lt.torrent_flags.seed_mode
    return here.add_torrent(params)


def seed(torrent, folder, port):
    here = session(port)
    _torrent = add(here, torrent, folder, True)
    while True:
        time.sleep(3600)


def fetch(torrent, folder, port):
    here = session(0)
    handle = add(here, torrent, folder, False)
    handle.connect_peer(("127.0.0.1", int(port)))
    while not handle.status().is_seeding:
        time.sleep(0.01)


{"create": create, "seed": seed, "fetch": fetch}[sys.argv[1]](*sys.argv[2:])
