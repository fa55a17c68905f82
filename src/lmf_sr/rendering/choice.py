"""Which renderer renders. All give the same pixels; each covers some decoders on some devices.

    direct     any decoder, anywhere                       one query per pixel: the reference (`direct.py`)
    blocked    the LMF conversions on a CPU                `blocked.py`
    triton     the LMF conversions of width 16 on a GPU    `triton.py`

Without the local ensemble there is the direct path alone.
`auto` takes the best there is. Training and single points have no grid to exploit and always take the direct path.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders import Decoder
from lmf_sr.errors import InputError
from lmf_sr.kernels.bindings import why_not_compiled
from lmf_sr.rendering import blocked, compiled, direct, triton

AUTO = "auto"
NAMES = ("direct", "blocked", "triton")


class Renderer(NamedTuple):
    """A way to render grids of pixels.

    name: one of `NAMES`.
    form: what it comes down to here, for people.
    render: (decoder, state, lr, grid) -> RGB, as `direct.render_direct`.
    render_chosen: (decoder, state, lr) -> what renders some pixels only, as `direct.render_chosen`.
    render_features: straight from features, as `blocked.render_features`; None where a state must come first.
    prepare: (decoder, features, cell, LR size, memory) -> state, as `blocked.prepare`; None where that is up to the decoder.
    """

    name: str
    form: str
    render: Callable[..., Tensor]
    render_chosen: Callable[..., direct.RenderChosen]
    render_features: Callable[..., Iterator[tuple[slice, Tensor]]] | None = None
    prepare: Callable[..., Any] | None = None


def choose(wanted: str, decoder: Decoder, features: Float[Tensor, "B C h w"]) -> Renderer:
    """The renderer of that name, or the best for `auto`, for a decoder and features where and of what type they are.

    Raises:
        InputError: no such name, or one that cannot render this decoder here.
    """
    available = {renderer.name: renderer for renderer in renderers(decoder, features)}
    if wanted == AUTO:
        return next(reversed(available.values()))
    if wanted not in NAMES:
        raise InputError(f"there is no renderer {wanted!r}: choose {', '.join(NAMES)} or {AUTO}")
    if wanted not in available:
        raise InputError(
            f"renderer {wanted!r} does not cover {type(decoder).__name__} on {features.device.type}: "
            f"choose {' or '.join([*available, AUTO])}"
        )
    return available[wanted]


def renderers(decoder: Decoder, features: Float[Tensor, "B C h w"]) -> Iterator[Renderer]:
    """All that cover a decoder and features, the best last."""
    yield Renderer("direct", "one query per pixel", direct.render_direct, direct.render_chosen)
    if blocked.supports(decoder, features.device):
        with_features = blocked.supports_features(decoder, features)
        from_features = (blocked.render_features, blocked.prepare) if with_features else ()
        form = _blocked_form(decoder, features, with_features)
        yield Renderer("blocked", form, blocked.render_blocked, blocked.render_chosen, *from_features)
    if triton.supports(decoder, features.device):
        yield Renderer("triton", "one fused kernel", triton.render_triton, triton.render_chosen)


def _blocked_form(decoder: Decoder, features: Float[Tensor, "B C h w"], from_features: bool) -> str:
    if blocked.is_compiled(decoder, features.dtype):
        return "compiled, from the features on" if from_features else "compiled, from the state on"
    if not compiled.supports(decoder, features.dtype):
        return f"PyTorch: the compiled kernel is for float32 and width {compiled.WIDTH}"
    return f"PyTorch: {why_not_compiled()}"
