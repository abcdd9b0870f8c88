"""The structures of sources/inference.cpp, in the same layout."""

from ctypes import c_long

from resnetlab.native.structures import F, N, P, structure

L = c_long
Finish = structure(
    "Finish", scale=P, shift=P, early=F, addend=P, late=F, y=P, scale2=P, shift2=P, slope2=F, y2=P, pitch=L
)
Image = structure("Image", at=P, stride=c_long * 4)
Convolve = structure(
    "Convolve", image=P, x=P, x_pitch=L, images=N, channels=N, depth=N, height=N, width=N, out_height=N,
    out_width=N, kernel=N, stride=N, top=N, left=N, out=N, vectors=N, band=N, by_channels=N, weights=P,
    shared=P, finish=Finish,
)  # fmt: skip
Pool = structure(
    "Pool", x=P, y=P, height=N, width=N, out_height=N, out_width=N, channels=N, kernel=N, stride=N, top=N,
    left=N, average=N, zeros=N, x_pitch=L, y_pitch=L,
)  # fmt: skip
Widen = structure(
    "Widen", x=P, y=P, height=N, width=N, out_height=N, out_width=N, channels=N, stride=N, before=N, out=N,
    x_pitch=L, y_pitch=L,
)  # fmt: skip
Means = structure("Means", x=P, y=P, pixels=N, channels=N, x_pitch=L, y_pitch=L)
Pointwise = structure("Pointwise", x=P, channels=N, finish=Finish)
