"""The structures of sources/interface.h and sources/program.cpp, in the same layout."""

import ctypes
from collections.abc import Iterator
from ctypes import c_float, c_int, c_long, c_size_t, c_void_p


def structure(name: str, **fields: type) -> type[ctypes.Structure]:
    """Return the class of a C structure with these fields, in this order."""
    return type(name, (ctypes.Structure,), {"_fields_": list(fields.items())})


def pointers(whole: ctypes.Structure) -> Iterator[tuple[ctypes.Structure, str]]:
    """Yield the structures and fields that are pointers, in those within it too."""
    for name, kind, *_ in whole._fields_:
        if kind is c_void_p:
            yield whole, name
        elif issubclass(kind, ctypes.Structure):
            yield from pointers(getattr(whole, name))


P, N, F = c_void_p, c_int, c_float
Source = structure("Source", raw=P, scale=P, shift=P, slope=F)
Forward = structure(
    "Forward",
    a=Source,
    b=Source,
    slope_of_sum=F,
    sum=P,
    weights=P,
    y=P,
    addend=P,
    sums=P,
    centre=P,
    bias=P,
)
Backward = structure(
    "Backward", g=P, y=P, A=P, B=P, C=P, addend=P, dy=P, x=Source, weights=P, dw=P, gx=P, gx_addend=P,
    slope=F, biased=N, seen=P, mean=P, inverse=P, sums=P, ticks=P,
)  # fmt: skip
Add = structure("Add", a=Source, b=Source, y=P, sums=P, centre=P, slope=F, pixels=N, channels=N)
Finish = structure(
    "Finish", x=Source, g=P, addend=P, pooled=P, gx=P, seen=P, mean=P, inverse=P, sums=P, slope=F, pixels=N,
    channels=N,
)  # fmt: skip
Combine = structure("Combine", g=P, y=P, A=P, B=P, C=P, addend=P, dy=P, pixels=N, channels=N)
Pool = structure("Pool", x=Source, means=P, pixels=N, channels=N)
Widen = structure(
    "Widen", narrow=P, wide=P, scale=P, shift=P, slope=F, height=N, width=N, rows=N, columns=N, channels=N,
    stride=N, window=N, top=N, left=N, before=N, after=N, back=N,
    factors=P,
)  # fmt: skip
Norm = structure(
    "Norm", sums=P, gamma=P, beta=P, running_mean=P, running_var=P, mean=P, inverse=P, scale=P, shift=P,
    momentum=F, eps=F, biased=N, images=N, pixels=N, channels=N, frozen=N,
)  # fmt: skip
NormBack = structure(
    "NormBack", sums=P, gamma=P, mean=P, inverse=P, A=P, B=P, C=P, dgamma=P, dbeta=P, images=N, pixels=N,
    channels=N, frozen=N,
)  # fmt: skip
Gather = structure(
    "Gather", dw=P, gradient=P, stride=c_long * 4, taps=N, kernel=N, into=N, out=N, threads=N, apart=c_long
)
Pack = structure("Pack", function=P, weights=P, stride=c_long * 4, ahead=P, back=P)
Operation = structure("Operation", kind=N, images=N, together=N, function=P, arguments=P, dw_size=c_size_t)
OF_IMAGES, OF_WEIGHTS_GRADIENT, NORM, NORM_BACK, GATHER, PACK = range(6)
