"""The simulation of partitions on many workers, against what can be counted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMMORTAL = {"n_workers": 10, "slow_share": 0.0, "life_h": 1e9}


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "studies"))
    import partition_size

    return partition_size


@pytest.fixture
def costs(study):
    return study.Costs(0.01, 0.0, 0.0, 0.0, (1.0,))


def test_equal_workers_share_the_work(study, costs):
    cluster = study.Cluster(**IMMORTAL)
    found = study.simulate(10_000, 100, cluster, costs, 0)
    assert found["hours"] == pytest.approx(10_000 * 0.01 / 10 / 3600)
    assert found["overhead"] == pytest.approx(0, abs=1e-9) and found["deaths"] == 0
    last = study.simulate(10_000, 300, cluster, costs, 0)  # 34 partitions: four rounds of ten
    assert last["hours"] == pytest.approx(4 * 300 * 0.01 / 3600)


def test_a_caller_that_is_slow_rules(study, costs):
    slow = replace(costs, caller_s=1.0)
    found = study.simulate(10_000, 100, study.Cluster(**IMMORTAL), slow, 0)
    assert found["hours"] == pytest.approx((100 * 1.0 + 100 * 0.01) / 3600)


def test_what_workers_of_a_short_life_lose_grows_with_the_size(study, costs):
    cluster = study.Cluster(n_workers=10, slow_share=0.0, life_h=20 / 3600, absent_s=0.0)
    small, large = (study.simulate(20_000, size, cluster, costs, 0) for size in (100, 1_000))
    assert small["deaths"] > 0 and large["deaths"] > 0
    assert large["lost_worker_hours"] / large["deaths"] > 3 * (
        small["lost_worker_hours"] / small["deaths"]
    )
    assert large["overhead"] > small["overhead"] > 0


def test_slow_workers_hold_up_large_partitions(study, costs):
    cluster = study.Cluster(n_workers=10, slow_share=0.3, slowness=10.0, life_h=1e9)
    rows = study.study([100_000], [100, 10_000], cluster, costs)
    assert rows[1]["overhead"] > 5 * rows[0]["overhead"]
    assert study.best_sizes(rows) == {100_000: 100}


def test_costs_are_read_from_measured_partitions(study, tmp_path, capsys):
    found = {
        "CPU seconds of partitions": {"10": [0.15, 0.15], "100": [1.0, 1.1]},
        "seconds of partitions": {"10": [0.3, 0.3], "100": [2.0, 4.0]},
        "caller": {"seconds_per_partition": 0.001},
        "start of a worker": {"wall_s": 6.0},
    }
    path = tmp_path / "measured.json"
    path.write_text(json.dumps({"found": found}))
    costs = study.Costs.measured(path)
    assert costs.image_s == pytest.approx(0.01, rel=1e-3)
    assert costs.partition_s == pytest.approx(0.05, rel=1e-2) and costs.start_s == 6
    assert costs.spread == pytest.approx((1, 1, 2 / 3, 4 / 3))
    given = ["--costs", str(path), "--images", "40000", "--workers", "4"]
    rows = study.main([*given, "--json", str(tmp_path / "out.json")])
    assert "least overhead for 40,000 images" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text())["rows"] == rows
