"""Files that are cut, or in which a few bytes are others."""

from .cases import raw


def names_heap(change):
    """The good file after a change of the heap in which the names of the channels lie."""

    def content(example):
        damaged = bytearray(example.netcdf)
        start = example.netcdf.index(b"GCOL")
        change(damaged, start)
        return bytes(damaged)

    return content


def set_number(offset, value, size=8):
    def change(damaged, start):
        damaged[start + offset : start + offset + size] = value.to_bytes(size, "little")

    return change


for name, change in {
    "an empty object": set_number(24, 0),
    "an endless object": set_number(24, (1 << 64) - 1),
    "free space of no size": set_number(16, 0, 16),
    "an empty heap": set_number(8, 0),
    "an endless heap": set_number(8, (1 << 64) - 1),
}.items():
    raw(f"heap: {name}", "either", unsafe=True)(names_heap(change))

for part in range(1, 20):
    raw(f"cut to {part} twentieths", "reject", "damaged|missing|never written", unsafe=True)(
        lambda e, part=part: e.netcdf[: len(e.netcdf) * part // 20]
    )
    raw(f"safetensors: cut to {part} twentieths", "reject", "trunc", suffix=".safetensors")(
        lambda e, part=part: e.safetensors[: len(e.safetensors) * part // 20]
    )
