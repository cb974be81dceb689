"""The recorded table beside the libraries that are installed."""

import json
from dataclasses import replace

import pytest

from banditlab.testing.peers.peer import find_peers
from banditlab.testing.peers.table import Table, measure_peer, recorded


@pytest.mark.parametrize("peer", find_peers(), ids=lambda peer: peer.full_name)
def test_the_record_is_what_the_installed_library_does(peer):
    if peer.installed_version() != peer.version:
        pytest.skip(f"{peer.library} {peer.version} is not installed; make test-peers installs it")
    (row,) = [
        row for row in recorded().rows if (row.library, row.name) == (peer.library, peer.name)
    ]
    found = measure_peer(peer, with_checks=False)
    kept = replace(row, failed_checks=None)
    versions = recorded().versions
    as_json = [
        json.loads(json.dumps(Table(versions, (entry,)).as_dict())) for entry in (found, kept)
    ]
    _assert_equal(*as_json)


def _assert_equal(found, expected):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            if name not in ("unanimous", "unanimous_float32"):  # the size of a rounding error
                _assert_equal(found[name], expected[name])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            _assert_equal(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)
    else:
        assert found == expected
