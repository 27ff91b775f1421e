"""Files that point at other files, and at themselves."""

import h5py

from .cases import SHAPE, hdf5, low_level


def link(name, target):
    def change(root, example):
        del root[name]
        root[name] = target(example) if callable(target) else target

    return change


def beside(file, path="analysis"):
    return lambda example: h5py.ExternalLink(str(example.secrets / file), path)


for name in ("analysis", "latitude", "channel"):
    hdf5(f"external link: {name}", "reject", "link")(link(name, beside("secret.nc", name)))
hdf5("external link to nowhere", "reject", "link")(link("time", beside("none.nc", "time")))
hdf5("external link without use", "reject", "link")(
    lambda root, e: root.__setitem__("more", h5py.ExternalLink("secret.nc", "/"))
)
hdf5("soft link", "reject", "link")(link("analysis", h5py.SoftLink("/latitude")))
hdf5("soft link to itself", "reject", "link")(link("time", h5py.SoftLink("/time")))
hdf5("soft link without an end", "reject", "link")(link("time", h5py.SoftLink("/nowhere")))


@hdf5("link in the path of a link", "reject", "link")
def _(root, example):
    root["grid"] = h5py.ExternalLink(str(example.secrets / "secret.nc"), "/")
    link("latitude", h5py.SoftLink("/grid/latitude"))(root, example)


def external(path):
    def change(root, example):
        place = str(example.secrets / path).encode()
        low_level(root, lambda s: s.set_external(place, 0, h5py.h5f.UNLIMITED))

    return change


for path in ("secret.bin", "/etc/passwd", "/proc/self/environ", "none"):
    hdf5(f"external storage: {path}", "reject", "external file")(external(path))


def virtual(file, name="analysis"):
    def change(root, example):
        layout = h5py.VirtualLayout(SHAPE, "<f4")
        source = file if file == "." else str(example.secrets / file)
        layout[...] = h5py.VirtualSource(source, name, SHAPE)
        del root["analysis"]
        root.create_virtual_dataset("analysis", layout)

    return change


for file in ("secret.nc", "none.nc", "."):
    hdf5(f"virtual: {file}", "reject", "virtual dataset")(virtual(file))
