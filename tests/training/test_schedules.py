"""Learning rates: the published numbers, and torch's own schedule."""

import pytest
import torch

from dambench_hub.training.schedules import SCHEDULES, paper


@pytest.mark.parametrize(
    ("progress", "rate"), [(0, 1e-5), (1 / 12, 5.5e-5), (1 / 6, 1e-4), (1, 3e-6)]
)
def test_the_papers_rates(progress, rate):
    assert 1e-4 * paper(progress) == pytest.approx(rate)


def test_one_cycle_is_torchs():
    steps = 1000
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, steps, pct_start=0.1, div_factor=100, final_div_factor=1000
    )
    for step in range(steps):
        wanted = SCHEDULES["one-cycle"](step / (steps - 1))
        assert optimizer.param_groups[0]["lr"] == pytest.approx(wanted, abs=0.02)
        optimizer.step()
        if step < steps - 1:
            schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES.values())
def test_no_schedule_jumps_or_leaves_its_range(schedule):
    rates = [schedule(step / 1000) for step in range(1001)]
    assert all(0 <= rate <= 1 for rate in rates)
    assert max(rates) == pytest.approx(1, abs=1e-4)
    assert max(abs(b - a) for a, b in zip(rates, rates[1:], strict=False)) < 0.02
