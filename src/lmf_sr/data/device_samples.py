"""Training samples made on the device that trains, a batch at a time and in a few kernels.

Workers draw the random part of the samples (`sampling.Cut`) from the same generators as elsewhere, and send only these
integers (`Cuts`). All pictures lie in the device's memory as one list of pixels, each of three bytes and an empty one,
because whole words are read fastest. From it each sample b reads its square

    X_b[i, j] = pixels[first_b + row_b(i, j) * width_b + column_b(i, j)]          turned, and N x N for the largest side N

of which n_b x n_b are its own. Pillow reduces the columns of a picture, rounds to 8 bits, and does the same to the rows:

    LR_b = round(R_b round(X_b R_b'))           R_b (p, N): the weights of Pillow's reduction from n_b to p, 0 beyond n_b

LR patches that are shown as they are travel with the cuts, because they are small. U_b (N, p), the weights of the
enlargement from p to n_b, and R_b make their HR patches as `sampling.enlarged` does.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from lmf_sr.data.patches import Patches
from lmf_sr.data.sampling import BACK_PROJECTIONS, Sample, Sampling, to_model_range
from lmf_sr.images.resample import pillow_weights


class Cuts(NamedTuple):
    """The cuts of a batch, as they travel to the device, first the R that are reduced, then the E that are enlarged."""

    squares: Int[Tensor, "R 6"]
    """place of the picture, top, left, upside down, mirrored, transposed"""
    lr: UInt8[Tensor, "E 3 p p"]
    sides: Int[Tensor, " B"]
    pixels: Int[Tensor, "B Q"]
    order: Int[Tensor, " B"]
    """the place among these of each sample of the batch"""


class CutsOfPatches(Dataset[Cuts]):
    """The cuts of a batch of sample numbers, for a DataLoader without collation."""

    def __init__(self, patches: Patches) -> None:
        self.patches = patches

    def __getitems__(self, numbers: list[int]) -> Cuts:
        chosen = [self.patches.choose(number) for number in numbers]
        order = sorted(range(len(chosen)), key=lambda i: chosen[i][1].enlarged)
        squares: list[tuple[int, ...]] = []
        lr: list[Tensor] = []
        for picture, cut in (chosen[i] for i in order):
            if cut.enlarged:
                image = self.patches.picture(picture) if isinstance(picture, int) else picture
                lr.append(self.patches.sampling.square(image, cut))
            else:
                assert isinstance(picture, int)
                squares.append((picture, cut.top, cut.left, *cut.pose))
        p = self.patches.sampling.patch
        cuts = [chosen[i][1] for i in order]
        return Cuts(
            torch.tensor(squares, dtype=torch.int32).view(-1, 6),
            torch.stack(lr) if lr else torch.empty(0, 3, p, p, dtype=torch.uint8),
            torch.tensor([cut.side for cut in cuts], dtype=torch.int32),
            torch.stack([torch.from_numpy(cut.pixels).int() for cut in cuts]),
            torch.tensor(order).argsort().int(),
        )


class DeviceSamples:
    """Makes batches on a device that holds all pictures.

    Args:
        patches: the stream of samples.
        device: holds the pictures.
    """

    def __init__(self, patches: Patches, device: torch.device) -> None:
        self.sampling: Sampling = patches.sampling
        pictures = _pictures(patches)
        areas = torch.tensor([picture[0].numel() for picture in pictures])
        rgb_and_nothing = torch.zeros(int(areas.sum()), 4, dtype=torch.uint8, device=device)
        self.pixels: Int[Tensor, " P"] = rgb_and_nothing.view(torch.int32).flatten()
        self.first = (areas.cumsum(0) - areas).to(device)
        self.width = torch.tensor([picture.shape[2] for picture in pictures], device=device)
        for part, picture in zip(rgb_and_nothing[:, :3].split(areas.tolist()), pictures, strict=True):
            part.copy_(picture.flatten(1).T)

    def make(self, cuts: Cuts) -> Sample:
        """The samples of a batch whose cuts lie on the device. They differ from a CPU's by rounding, LR by a grey level."""
        n, pixels = cuts.sides.long(), cuts.pixels.long()
        reduced = len(cuts.squares)
        lr, rgb = self._reduced(cuts.squares.long(), n[:reduced], pixels[:reduced])
        if len(cuts.lr):
            shown = to_model_range(cuts.lr)
            enlarged = self._enlarged(shown, n[reduced:], pixels[reduced:])
            order = cuts.order.long()
            lr, rgb = torch.cat([lr, shown])[order], torch.cat([rgb, enlarged])[order]
            n, pixels = n[order], pixels[order]
        places = torch.stack([pixels // n[:, None], pixels % n[:, None]], dim=-1)
        size = n.double()[:, None, None]
        coords = -1 + (2 * places + 1) * (1 / size)  # as `geometry.pixel_centers`
        return Sample(lr, coords.float(), (2 / size).expand(-1, 1, 2).float(), rgb)

    def _reduced(
        self, squares: Int[Tensor, "B 6"], n: Int[Tensor, " B"], pixels: Int[Tensor, "B Q"]
    ) -> tuple[Float[Tensor, "B 3 p p"], Float[Tensor, "B Q 3"]]:
        """LR patches, and the queries' RGB, of squares that are HR patches."""
        picture, top, left, upside_down, mirrored, transposed = squares.unsqueeze(-1).unbind(1)
        B, N, p = len(squares), self.sampling.largest_side, self.sampling.patch
        i = torch.arange(N, device=n.device).minimum(n[:, None] - 1)
        last = n[:, None] - 1
        row = (top + torch.where(upside_down > 0, last - i, i)) * self.width[picture]
        column = left + torch.where(mirrored > 0, last - i, i)
        first, second = torch.where(transposed > 0, column, row), torch.where(transposed > 0, row, column)
        # Columns come first here, so that both reductions are products with the weights on the left.
        square = self.pixels[(self.first[picture] + second)[:, :, None] + first[:, None, :]]
        square = square.unsqueeze(-1).view(torch.uint8)[..., :3]
        place = (pixels % n[:, None] * N + pixels // n[:, None])[..., None].expand(-1, -1, 3)
        rgb = square.flatten(1, 2).gather(1, place)
        weights = pillow_weights(n, torch.full_like(n, p), N, p).float()
        columns = _rounded(weights @ square.float().flatten(2)).view(B, p, N, 3)
        lr = _rounded(weights @ columns.transpose(1, 2).flatten(2)).view(B, p, p, 3)
        return to_model_range(lr.permute(0, 3, 1, 2).contiguous()), to_model_range(rgb)

    def _enlarged(
        self, lr: Float[Tensor, "E 3 p p"], n: Int[Tensor, " E"], pixels: Int[Tensor, "E Q"]
    ) -> Float[Tensor, "E Q 3"]:
        """The queries' RGB of HR patches made from LR patches: `sampling.enlarged`."""
        N, p = self.sampling.largest_side, self.sampling.patch
        small = torch.full_like(n, p)
        up, down = (pillow_weights(*sides).float()[:, None] for sides in ((small, n, p, N), (n, small, N, p)))
        i = torch.arange(N, device=n.device)
        near = ((i + 0.5) * (p / n.float())[:, None]).long().clamp(max=p - 1)  # beyond n too, where `up` has zeros
        own = (i < n[:, None]).float()
        rows, columns = near[:, None, :, None].expand(-1, 3, -1, p), near[:, None, None].expand(-1, 3, N, -1)
        nearest = lr.gather(2, rows).gather(3, columns)
        hr = (nearest * own[:, None, :, None] * own[:, None, None] + up @ lr @ up.mT) / 2
        for _ in range(BACK_PROJECTIONS):
            hr = (hr + up @ (lr - down @ hr @ down.mT) @ up.mT).clamp(-1, 1)
        place = (pixels // n[:, None] * N + pixels % n[:, None])[:, None].expand(-1, 3, -1)
        return hr.flatten(2).gather(2, place).transpose(1, 2)


def bytes_of(patches: Patches) -> int:
    """The memory that the pictures take on a device."""
    return sum(4 * picture[0].numel() for picture in _pictures(patches))


def _pictures(patches: Patches) -> list[UInt8[Tensor, "3 _ _"]]:
    """The pictures by their places."""
    return [*patches.photographs.values(), *patches.others.values()]


def _rounded(values: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Rounds to whole grey levels, as Pillow does, in place."""
    return values.add_(0.5).floor_().clamp_(0, 255)
