"""The choice of a renderer. All give the same pixels; each covers some decoders on some devices.

    direct     any decoder, anywhere                       one query per pixel: the reference (`direct.py`)
    blocked    the LMF conversions on a CPU                `blocked.py`
    triton     the LMF conversions of width 16 on a GPU    `triton.py`

Only the direct path renders without the local ensemble. `auto` takes the best there is. Training and single points have no
grid to exploit and always take the direct path.

A new renderer is a class with the methods of `renderer.Renderer`, listed here; `strips.FromStates` has two of them.
"""

from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders.base import Decoder
from lmf_sr.errors import InputError
from lmf_sr.rendering.blocked import Blocked
from lmf_sr.rendering.budget import DEFAULT, Budget
from lmf_sr.rendering.direct import Direct
from lmf_sr.rendering.renderer import Renderer
from lmf_sr.rendering.triton import Triton

AUTO = "auto"
RENDERERS = (Direct, Blocked, Triton)  # the best last


def choose(wanted: str, decoder: Decoder, features: Float[Tensor, "B C h w"], budget: Budget = DEFAULT) -> Renderer:
    """The renderer of that name, or the best for `auto`, for a decoder and features of this type on this device.

    Raises:
        InputError: no such name, or one that cannot render this decoder here.
    """
    available = {renderer.name: renderer for renderer in RENDERERS if renderer.supports(decoder, features)}
    if wanted == AUTO:
        return list(available.values())[-1](decoder, features, budget)
    names = [renderer.name for renderer in RENDERERS]
    if wanted not in names:
        raise InputError(f"there is no renderer {wanted!r}: choose {', '.join(names)} or {AUTO}")
    if wanted not in available:
        raise InputError(
            f"renderer {wanted!r} does not cover {type(decoder).__name__} on {features.device.type}: "
            f"choose {' or '.join([*available, AUTO])}"
        )
    return available[wanted](decoder, features, budget)
