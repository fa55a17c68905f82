"""LM-LTE, the LMF conversion of LTE (He & Jin, CVPR 2024).

    latent MLP input     coef * [cos(pi g), sin(pi g)],        g_k = freq[2k] + freq[2k+1] + phase_k           (128)
    render MLP input     coef_c * [cos(pi f), sin(pi f)],      f_k = freq_c[2k] rel_row + freq_c[2k+1] rel_col + phase'_k

with coef and freq convolutions of the features as in LTE, the code [coef_c, freq_c] (16 + 16), phase and phase' linear in
the relative cell, and L = 8 hidden layers. The bilinear LR image is added.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.decoders.lte import fourier, waves
from lmf_sr.lmf.conversion import Conversion, RenderOptions


class LMLTE(Conversion):
    original = "lte"
    lr_skip = True

    def __init__(
        self,
        in_dim: int,
        *,
        depth: int = 8,
        width: int = 16,
        code_dim: int | None = 32,
        hidden: int | None = None,
        fourier_dim: int = 128,
        modulation: str = "both",
        ensemble: bool = True,
    ) -> None:
        own = 2 * fourier_dim
        code = own if code_dim is None else code_dim
        options = RenderOptions(
            depth=depth, width=width, code_dim=code_dim, hidden=hidden, modulation=modulation, ensemble=ensemble
        )
        super().__init__(latent_dim=fourier_dim, own_code_dim=own, input_dim=code // 2, options=options)
        self.coef = nn.Conv2d(in_dim, fourier_dim, 3, padding=1)
        self.freq = nn.Conv2d(in_dim, fourier_dim, 3, padding=1)
        self.phase = nn.Linear(2, fourier_dim // 2, bias=False)
        self.render_phase = nn.Linear(2, code // 4, bias=False)

    @property
    def kernel_waves(self) -> int:
        return self.code_dim // 2

    def phases(self, cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B k"]:
        return self.render_phase(cell)

    @property
    def latent_waves(self) -> int:
        return self.coef.out_channels

    def convolution(self, cell: Float[Tensor, "B 2"]) -> tuple[Float[Tensor, "o i"], Float[Tensor, "B o"]]:
        """Makes `[coef, g]`. The frequencies of a pair are only ever added in g, which their convolution can do."""
        (coef, coef_bias), (freq, freq_bias) = (layer.parameters() for layer in (self.coef, self.freq))
        biases = [coef_bias.expand(len(cell), -1), pair_sums(freq_bias) + self.phase(cell)]
        return torch.cat([coef, pair_sums(freq)]).flatten(1), torch.cat(biases, dim=1)

    def latents(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B 2"]) -> Float[Tensor, "B h w O"]:
        coefficients = waves(self.coef, self.freq, features)
        made = self.latent_mlp(fourier(coefficients, features.new_ones(2), self.phase(cell)[:, None, None]))
        return self.with_code(made, coefficients)

    def render_input(
        self, code: Float[Tensor, "*N K"], rel: Float[Tensor, "*N 2"], cell: Float[Tensor, "*#N 2"]
    ) -> Float[Tensor, "*N i"]:
        return fourier(code, rel, self.render_phase(cell))


def pair_sums(x: Float[Tensor, "k *N"]) -> Float[Tensor, "h *N"]:
    """x_0 + x_1, x_2 + x_3, ..."""
    return x[0::2] + x[1::2]
