"""The structures of sources/interface.h and sources/program.cpp, in the same layout."""

import ctypes
from ctypes import c_float, c_int, c_long, c_size_t, c_void_p


def _structure(name: str, **fields: type) -> type[ctypes.Structure]:
    return type(name, (ctypes.Structure,), {"_fields_": list(fields.items())})


P, N, F = c_void_p, c_int, c_float
Source = _structure("Source", raw=P, scale=P, shift=P, relu=N)
Forward = _structure(
    "Forward", a=Source, b=Source, relu_of_sum=N, sum=P, weights=P, y=P, addend=P, sums=P, centre=P
)
Backward = _structure(
    "Backward", g=P, y=P, A=P, B=P, C=P, addend=P, dy=P, x=Source, weights=P, dw=P, gx=P, gx_addend=P,
    mask=N, seen=P, mean=P, inverse=P, sums=P,
)  # fmt: skip
Add = _structure("Add", a=Source, b=Source, y=P, sums=P, centre=P, relu=N, pixels=N, channels=N)
Finish = _structure(
    "Finish", x=Source, g=P, addend=P, pooled=P, gx=P, seen=P, mean=P, inverse=P, sums=P, mask=N, pixels=N,
    channels=N,
)  # fmt: skip
Combine = _structure("Combine", g=P, y=P, A=P, B=P, C=P, addend=P, dy=P, pixels=N, channels=N)
Pool = _structure("Pool", x=Source, means=P, pixels=N, channels=N)
Widen = _structure(
    "Widen", narrow=P, wide=P, scale=P, shift=P, relu=N, height=N, width=N, channels=N, stride=N, before=N,
    after=N, back=N,
)  # fmt: skip
Norm = _structure(
    "Norm", sums=P, gamma=P, beta=P, running_mean=P, running_var=P, mean=P, inverse=P, scale=P, shift=P,
    momentum=F, eps=F, biased=N, images=N, pixels=N, channels=N,
)  # fmt: skip
NormBack = _structure(
    "NormBack", sums=P, gamma=P, mean=P, inverse=P, A=P, B=P, C=P, dgamma=P, dbeta=P, images=N, pixels=N,
    channels=N,
)  # fmt: skip
Gather = _structure("Gather", dw=P, gradient=P, stride=c_long * 4, taps=N, kernel=N, into=N, out=N, threads=N)
Pack = _structure("Pack", function=P, weights=P, stride=c_long * 4, ahead=P, back=P)
Operation = _structure("Operation", kind=N, images=N, together=N, function=P, arguments=P, dw_size=c_size_t)
OF_IMAGES, OF_WEIGHTS_GRADIENT, NORM, NORM_BACK, GATHER, PACK = range(6)
