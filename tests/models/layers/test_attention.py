"""Windowed attention against attention among all tokens, and where the sphere has no seam."""

from math import prod

import pytest
import torch

from dambench_hub.models.layers.attention import SwinBlock, WindowAttention, Windows, linear

CASES = [
    ((8, 16), (4, 4)),
    ((9, 15), (4, 4)),
    ((4, 8, 16), (2, 4, 8)),
    ((3, 5, 12), (2, 4, 8)),
    ((1, 2, 6), (2, 4, 8)),
]


def same_window(windows):
    """Which of all tokens share a window, from the definition: bool, (tokens, tokens)."""
    together = torch.ones(prod(windows.size), prod(windows.size), dtype=torch.bool)
    places = torch.meshgrid(*(torch.arange(n) for n in windows.size), indexing="ij")
    for axis, place in enumerate(places):
        moved = place.flatten() - windows.shift[axis]
        if axis == len(places) - 1:
            moved = moved % windows.size[axis]
        number = moved.div(windows.window[axis], rounding_mode="floor")
        together &= number[:, None] == number[None, :]
    return together


def displacement(windows):
    """Number of the displacement between all tokens, within their windows."""
    number = 0
    places = torch.meshgrid(*(torch.arange(n) for n in windows.size), indexing="ij")
    for place, shift, w in zip(places, windows.shift, windows.window, strict=True):
        inside = (place.flatten() - shift) % w
        number = number * (2 * w - 1) + (inside[:, None] - inside[None, :] + w - 1)
    return number


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("size", "window"), CASES)
def test_it_is_attention_among_all_tokens_of_a_window(size, window, shifted):
    windows = Windows.fit(size, window, shifted)
    attention = WindowAttention(8, 2, windows).double()
    torch.nn.init.normal_(attention.displacement_bias)
    tokens, context = torch.randn(2, 2, *size, 8, dtype=torch.double)

    def heads(x):
        return x.flatten(1, -2).unflatten(-1, (2, 4)).transpose(1, 2)

    q = heads(attention.query(tokens))
    k, v = map(heads, attention.key_value(context).chunk(2, -1))
    bias = attention.displacement_bias[displacement(windows)].permute(2, 0, 1)
    bias = bias.where(same_window(windows), -torch.inf)
    weights = (q @ k.transpose(-2, -1) / 2 + bias).softmax(-1)
    wanted = attention.project((weights @ v).transpose(1, 2).reshape(tokens.shape))
    torch.testing.assert_close(attention(tokens, context), wanted, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(attention(tokens), attention(tokens, tokens))


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize(("size", "window"), CASES)
def test_each_token_has_one_place(size, window, shifted):
    windows = Windows.fit(size, window, shifted)
    order = windows.order().flatten()
    assert sorted(order[order >= 0].tolist()) == list(range(prod(size)))
    assert windows.offsets().unique().numel() == prod(2 * w - 1 for w in windows.window)


def test_only_the_last_windows_of_depth_and_latitude_have_a_mask():
    windows = Windows.fit((14, 64, 120), (2, 4, 8), shifted=True)
    closed = ~windows.allowed().flatten(1).all(1).reshape(windows.counts[:-1])
    assert closed[-1].all() and closed[:, -1].all()
    assert not closed[:-1, :-1].any()
    assert Windows.fit((14, 64, 120), (2, 4, 8), shifted=False).allowed().all()


def test_windows_wrap_around_without_padding():
    for width in (128, 120, 60, 30, 15, 2):
        windows = Windows.fit((1, 8, width), (2, 4, 8), shifted=True)
        assert width % windows.window[-1] == 0 and windows.padding[-1] == 0
    assert [Windows.fit((4, n), (4, 8), False).window[-1] for n in (120, 60, 30, 15)] == [
        8,
        6,
        6,
        5,
    ]


@pytest.mark.parametrize(("axis", "meet"), [(1, False), (2, False), (3, True)])
def test_only_longitude_has_no_end(axis, meet):
    block = SwinBlock(8, 2, (4, 8, 16), (2, 4, 4), shifted=True)
    tokens = torch.randn(1, 4, 8, 16, 8)
    changed = tokens.clone()
    changed.select(axis, 0).add_(torch.randn(8))
    change = (block(changed) - block(tokens)).select(axis, -1)
    assert change.ne(0).any() == meet


def test_turning_by_whole_windows_turns_the_result():
    block = SwinBlock(8, 2, (4, 8, 16), (2, 4, 4), shifted=True)
    tokens = torch.randn(1, 4, 8, 16, 8)
    torch.testing.assert_close(block(tokens.roll(4, 3)), block(tokens).roll(4, 3))


def test_a_scale_skips_branches_of_a_sample():
    block = SwinBlock(8, 2, (8, 16), (4, 4), cross=True)
    tokens, context = torch.randn(2, 2, 8, 16, 8)
    torch.testing.assert_close(block(tokens, context, torch.ones(2, 2)), block(tokens, context))
    half = block(tokens, context, torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
    assert torch.equal(half[0], tokens[0])
    torch.testing.assert_close(half[1], block(tokens, context)[1])


def test_counts_follow_the_definition():
    def count(cross):
        block = SwinBlock(96, 4, (14, 64, 128), (2, 4, 8), cross=cross)
        return sum(parameter.numel() for parameter in block.parameters())

    with torch.device("meta"):
        table = 3 * 7 * 15 * 4
        assert count(False) == 12 * 96**2 + 13 * 96 + table
        assert count(True) - count(False) == 2 * 96


def test_half_precision_changes_little():
    block = SwinBlock(16, 2, (8, 16), (4, 4), shifted=True)
    tokens = torch.randn(1, 8, 16, 16)
    with torch.autocast("cpu", torch.bfloat16):
        half = block(tokens)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, block(tokens), rtol=0.05, atol=0.05)


def test_linear_layers_start_small():
    layer = linear(200, 300)
    assert layer.bias.eq(0).all()
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
