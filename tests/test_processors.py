"""How many processors there are to use: what binds a process, not what the machine has."""

import os

import pytest

from regaudit import processors


@pytest.fixture(autouse=True)
def asked_anew():
    """Forget what was found before, and after."""
    processors.processors.cache_clear()
    yield
    processors.processors.cache_clear()


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that makes a machine with 64 processors and these control groups."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(processors, "_CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(processors, "_OWN", tmp_path / "own")

    def make(own, files):
        (tmp_path / "own").write_text(own, encoding="ascii")
        for name, text in files.items():
            file = tmp_path / "groups" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="ascii")

    return make


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {}, 64),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "5000 100000\n"}, 1),
        # The smallest of the groups above counts.
        ("0::/a/b\n", {"a/cpu.max": "400000 100000\n", "a/b/cpu.max": "max 100000\n"}, 4),
        # A path of the host, which a container does not see.
        ("0::/kubepods/pod7/c\n", {"cpu.max": "800000 100000\n"}, 8),
        ("0::/../outside\n", {"cpu.max": "800000 100000\n"}, 8),
        (
            "3:cpu,cpuacct:/docker/1\n0::/\n",
            {"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            2,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ("0::/\n", {"cpu.max": "nonsense\n"}, 64),
        ("0::/\n", {"cpu.max": "100000 0\n"}, 64),
        ("nonsense\n", {"cpu.max": "100000 100000\n"}, 64),
    ],
)
def test_the_quota_of_a_container_counts(machine, own, files, expected):
    machine(own, files)
    assert processors.processors() == expected


def test_who_is_bound_to_some_uses_these(machine, monkeypatch):
    machine("0::/\n", {"cpu.max": "800000 100000\n"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert processors.processors() == 2


def test_other_systems_have_neither(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    monkeypatch.setattr(processors, "_OWN", tmp_path / "gone")
    assert processors.processors() == 1
