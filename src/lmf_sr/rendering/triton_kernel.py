"""The Triton renderer's GPU kernel: latents in, pixels out, nothing in between. (`triton.py` is its host side.)

                 latent ──── latent ────       A *block* is a patch of output pixels with the same four latents around
                   │ o o o o o │               it, at most TILE of them. One warp renders STRIP neighbouring blocks, one
                   │ o block o │               after the other. A latent's modulations are the same for all pixels of a
                   │ o o o o o │               block: they are loaded once, as vectors of 16 channels, and broadcast over
                 latent ──── latent ────       the (TILE, 16) matrix y of its pixels. No pixel gathers anything.

For each of the four corners t, with y living in registers from the first layer to the last,

    y = W_0 input(rel_t),      y = relu(gain_tl * y + offset_tl),      y = W_l y,  ...       mean += weight_t * y

and then, once per pixel, rgb = W_L mean + b_L, plus the bilinear LR image where the method has it.

Where only some pixels are wanted (CMSR), a block without any of them skips the hidden layers. A block with some computes all
its pixels and writes those that are wanted.

*Arithmetic.* The products W_l y run on the tensor cores, whose float16 result tiles are laid out as their next operands:
between two layers nothing leaves a thread's registers. float16 carries 11 bits, so where the latents are float32 (SPLIT)
both operands are split into two halves, x = high + low, and x y = high high + high low + low high: 22 bits, the missing
low low being 2^-22 of the product. The sums, gains, offsets and weights are float32 throughout. Latents in a 16-bit type
take the single product. Hidden values must stay below 65504, the largest float16. Where SPLIT, a pixel beyond it is NaN.

*Counts,* for N pixels, depth L, D = 16, R inputs (2; LM-LTE: D) and C values per latent. Memory: every latent is read from
DRAM once (the four blocks around it find it in cache) and 3 N values are written once. Arithmetic: the products take
4 N (R D + (L-1) D^2) + 3 N D multiply-adds, three times that on the tensor cores where SPLIT; gain, offset and ReLU take
2 operations for each of the 4 N L D hidden values, their halves 3 more. The last is what bounds the time: at x4 and
L = 6, 16 pixels take some 1800 instructions of a warp, and move 1 KB.

Loops are written with `while`: Triton's compiler would move the weights' conversion to operand layout, a quarter of the
instructions, into an innermost `for`. `if` and `else` on a constant choose which branch is compiled at all.
"""

# ruff: noqa: RET505, RUF005 (this is Triton's language, not quite Python)

from typing import no_type_check

import triton
import triton.language as tl

D = tl.constexpr(16)  # width of the render MLP
# One compilation serves all sizes, and any window of a picture.
SIZES = ["n_row_runs", "n_col_runs", "h", "w", "H", "W", "image_size", "plane_size"]


@no_type_check
@triton.jit(do_not_specialize=SIZES, do_not_specialize_on_alignment=["out"])
def render_blocks(
    # pointers
    out,  # (B, 3, H, W), rows one after the other
    latents,  # (B, h, w, C): [gain (L*D), offset (L*D)], and [coef (D), freq (D)] if WAVES
    lr,  # (B, 3, h, w)
    weights,  # [W_0, ..., W_L, b_L], row-major one after the other
    phase,  # (B, D/2) if WAVES
    shift,  # (B, D), added to W_0 input, or None
    wanted,  # (B, H, W), true for each pixel to write; None for all
    row_runs,  # (4, n_row_runs): first pixel, last + 1, low latent, high latent
    row_pixels,  # (6, H): rel to low, to high, weight of low, of high; LR pixel above, share of the next
    col_runs,  # likewise
    col_pixels,
    # sizes
    n_row_runs,
    n_col_runs,
    h,
    w,
    H,
    W,
    image_size,  # of `out`
    plane_size,
    # the range in which a value is written, as in `value_range.py`
    gain,
    offset,
    low,
    high,
    L: tl.constexpr,
    WAVES: tl.constexpr,  # y_0 is LM-LTE's Fourier features of rel, not rel itself
    SKIP: tl.constexpr,  # add the bilinear LR image
    SPLIT: tl.constexpr,
    TILE: tl.constexpr,
    STRIP: tl.constexpr,
):
    channel = tl.arange(0, D)
    C: tl.constexpr = 2 * L * D + (2 * D if WAVES else 0)
    R: tl.constexpr = D if WAVES else 2

    strips = (n_col_runs + STRIP - 1) // STRIP
    program = tl.program_id(0)
    col_run = program % strips * STRIP
    stop_run = tl.minimum(col_run + STRIP, n_col_runs)
    row_run = program // strips % n_row_runs
    b = program // strips // n_row_runs

    # The weights stay in registers.
    transposed = channel[None, :] * D + channel[:, None]
    if WAVES:
        first = halves(tl.load(weights + transposed).to(tl.float32), SPLIT)
        k = channel % (D // 2)
        # cos(pi f) = sin(pi (f + 1/2))
        turn = tl.load(phase + b * (D // 2) + k).to(tl.float32) + tl.where(channel < D // 2, 0.5, 0.0)
    else:
        first_row = tl.load(weights + 2 * channel).to(tl.float32)
        first_col = tl.load(weights + 2 * channel + 1).to(tl.float32)
    if shift is not None:
        first_shift = tl.load(shift + b * D + channel).to(tl.float32)
    hidden = ()
    for l in tl.static_range(L - 1):
        hidden = hidden + (halves(tl.load(weights + R * D + l * D * D + transposed).to(tl.float32), SPLIT),)
    last = weights + R * D + (L - 1) * D * D

    row_start = tl.load(row_runs + row_run)
    row_stop = tl.load(row_runs + n_row_runs + row_run)
    while col_run < stop_run:
        # The block's pixels
        col_start = tl.load(col_runs + col_run)
        width = tl.load(col_runs + n_col_runs + col_run) - col_start
        pixel = tl.arange(0, TILE)
        inside = pixel < (row_stop - row_start) * width
        i = row_start + pixel // width
        j = col_start + pixel % width
        row_pixel = row_pixels + i
        col_pixel = col_pixels + j

        corner = 0
        if wanted is not None:
            inside &= tl.load(wanted + (b * H + i).to(tl.int64) * W + j, mask=inside, other=0) != 0
            corner = tl.where(tl.reduce(inside.to(tl.int32), 0, add) > 0, 0, 4)  # none left to do if no pixel is wanted

        # The ensemble of the last hidden layer
        mean = tl.full([TILE, D], 0.0, tl.float32)
        while corner < 4:
            s = corner // 2
            t = corner % 2
            at_row = tl.load(row_runs + (2 + s) * n_row_runs + row_run)
            at_col = tl.load(col_runs + (2 + t) * n_col_runs + col_run)
            latent = latents + ((b * h + at_row).to(tl.int64) * w + at_col) * C
            rel_row = tl.load(row_pixel + s * H, mask=inside, other=0.0)[:, None]
            rel_col = tl.load(col_pixel + t * W, mask=inside, other=0.0)[:, None]
            row_weight = tl.load(row_pixel + (2 + s) * H, mask=inside, other=0.0)
            col_weight = tl.load(col_pixel + (2 + t) * W, mask=inside, other=0.0)
            if WAVES:
                code = latent + 2 * L * D
                coef = tl.load(code + channel).to(tl.float32)
                freq_row = tl.load(code + D + 2 * k).to(tl.float32)
                freq_col = tl.load(code + D + 2 * k + 1).to(tl.float32)
                f = freq_row[None, :] * rel_row + freq_col[None, :] * rel_col + turn[None, :]
                y = linear(coef[None, :] * sin_pi(f), first, SPLIT)
            else:
                y = first_row[None, :] * rel_row + first_col[None, :] * rel_col
            if shift is not None:
                y += first_shift[None, :]
            y = modulate(y, latent, 0, L)
            for l in tl.static_range(1, L):
                y = modulate(linear(y, hidden[l - 1], SPLIT), latent, l, L)
            mean += (row_weight * col_weight)[:, None] * y
            corner += 1

        # The last layer and the LR image, channel by channel
        if SKIP:
            top = tl.load(row_pixel + 4 * H, mask=inside, other=0.0).to(tl.int32)
            left = tl.load(col_pixel + 4 * W, mask=inside, other=0.0).to(tl.int32)
            bottom = tl.minimum(top + 1, h - 1)
            right = tl.minimum(left + 1, w - 1)
            down = tl.load(row_pixel + 5 * H, mask=inside, other=0.0)
            across = tl.load(col_pixel + 5 * W, mask=inside, other=0.0)
        for c in tl.static_range(3):
            W_c = tl.load(last + c * D + channel).to(tl.float32)
            value = tl.reduce(mean * W_c[None, :], 1, add) + tl.load(last + 3 * D + c).to(tl.float32)
            if SKIP:
                lr_plane = lr + (b * 3 + c).to(tl.int64) * h * w
                upper = between(lr_plane + top * w, left, right, across, inside)
                lower = between(lr_plane + bottom * w, left, right, across, inside)
                value += upper + down * (lower - upper)
            value = tl.maximum(gain * value + offset, low, propagate_nan=tl.PropagateNan.ALL)
            value = tl.minimum(value, high, propagate_nan=tl.PropagateNan.ALL)
            plane = out + b.to(tl.int64) * image_size + c * plane_size.to(tl.int64)
            tl.store(plane + i.to(tl.int64) * W + j, value, mask=inside)
        col_run += 1


@no_type_check
@triton.jit
def halves(x, SPLIT: tl.constexpr):
    """x as a sum of float16 numbers, (high, low) if SPLIT, else (high,)."""
    high = x.to(tl.float16)
    if SPLIT:
        return (high, (x - high.to(tl.float32)).to(tl.float16))
    else:
        return (high,)


@no_type_check
@triton.jit
def linear(y, W, SPLIT: tl.constexpr):
    """y (TILE, D) times W^T (D, D), the latter in halves."""
    y = halves(y, SPLIT)
    if SPLIT:
        small = tl.dot(y[0], W[1], tl.dot(y[1], W[0]))
        return tl.dot(y[0], W[0], small)
    else:
        return tl.dot(y[0], W[0])


@no_type_check
@triton.jit
def modulate(y, latent, l, L: tl.constexpr):
    """relu(gain_l * y + offset_l), with the vectors of one latent for all pixels."""
    channel = tl.arange(0, D)
    gain = tl.load(latent + l * D + channel).to(tl.float32)
    offset = tl.load(latent + (L + l) * D + channel).to(tl.float32)
    return tl.maximum(gain[None, :] * y + offset[None, :], 0.0, propagate_nan=tl.PropagateNan.ALL)


@no_type_check
@triton.jit
def between(row, left, right, across, inside):
    """A row of the LR image, read linearly between two columns."""
    near = tl.load(row + left, mask=inside, other=0.0).to(tl.float32)
    far = tl.load(row + right, mask=inside, other=0.0).to(tl.float32)
    return near + across * (far - near)


@no_type_check
@triton.jit
def sin_pi(x):
    """sin(pi x), within 1e-7: exact reduction to [-1/2, 1/2], then its Taylor polynomial of degree 11."""
    n = tl.floor(x + 0.5)
    r = x - n
    s = r * r
    p = 0.08214588661 - 0.00737043095 * s
    p = 3.14159265359 + s * (-5.16771278005 + s * (2.55016403988 + s * (-0.59926452932 + s * p)))
    odd = n - 2 * tl.floor(0.5 * n)
    return r * p * (1 - 2 * odd)


@no_type_check
@triton.jit
def add(a, b):
    return a + b
