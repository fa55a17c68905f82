"""Training samples made on the device that trains, a batch at a time and in a few kernels.

Workers draw the random part of the samples (`sampling.Cut`) from the same generators as elsewhere, and send only these
integers (`Cuts`). All pictures lie in the device's memory as one list of pixels, each of three bytes and an empty one,
because whole words are read fastest. From it each sample b reads its square

    X_b[i, j] = pixels[first_b + row_b(i, j) * width_b + column_b(i, j)]          turned, and N x N for the largest side N

of which n_b x n_b are its own; N is the side of the largest square that can come or, on a CPU, that comes at the same time.
Pillow reduces the columns of a picture, rounds to 8 bits, and does the same to the rows:

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
from lmf_sr.data.sampling import (
    BACK_PROJECTIONS,
    Sample,
    Sampling,
    mixed,
    to_model_range,
    tone_share,
    tone_weights,
)
from lmf_sr.images.resample import pillow_weights

TOGETHER = 4  # samples that a CPU makes at a time: more are more padding, fewer are more calls

Places = Int[Tensor, "B Q"]


class Cuts(NamedTuple):
    """The cuts of a batch, as they travel to the device, first the R that are reduced, then the E that are enlarged, each
    in the order of their sides."""

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
        order = sorted(range(len(chosen)), key=lambda i: (chosen[i][1].enlarged, chosen[i][1].side))
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
    """Makes batches on a device that holds all pictures, and the weights of the reductions from all sides.

    A GPU makes a batch at once, whatever its sides are, because asking for them would be waiting. A CPU makes few samples
    at a time, of nearly the same side, because N x N pixels of the largest side are twice those of all sides.

    Args:
        patches: the stream of samples.
        device: holds the pictures.
    """

    def __init__(self, patches: Patches, device: torch.device) -> None:
        self.sampling: Sampling = patches.sampling
        self.together = TOGETHER if device.type == "cpu" else None
        pictures = _pictures(patches)
        areas = torch.tensor([picture[0].numel() for picture in pictures])
        rgb_and_nothing = torch.zeros(int(areas.sum()), 4, dtype=torch.uint8, device=device)
        self.pixels: Int[Tensor, " P"] = rgb_and_nothing.view(torch.int32).flatten()
        self.first = (areas.cumsum(0) - areas).to(device)
        self.width = torch.tensor([picture.shape[2] for picture in pictures], device=device)
        for part, picture in zip(rgb_and_nothing[:, :3].split(areas.tolist()), pictures, strict=True):
            part.copy_(picture.flatten(1).T)
        p, smallest, largest = patches.sampling.patch, patches.sampling.smallest_side, patches.sampling.largest_side
        sides = torch.arange(smallest, largest + 1, device=device).split(16)  # fewer at a time need less memory
        weights = [pillow_weights(n, torch.full_like(n, p), largest, p).float() for n in sides]
        self.reductions: Float[Tensor, "S p N"] = torch.cat(weights)
        self.lr_tones: Float[Tensor, "1 p p"] = tone_weights(torch.tensor([p], device=device), p, p)

    def make(self, cuts: Cuts) -> Sample:
        """The samples of a batch whose cuts lie on the device. They differ from a CPU's by rounding, LR by a grey level."""
        n, pixels, order = cuts.sides.long(), cuts.pixels.long(), cuts.order.long()
        row = pixels.div(n[:, None], rounding_mode="floor")
        column = pixels - row * n[:, None]
        made: list[tuple[Tensor, Tensor]] = []
        sides = cuts.sides.numpy() if self.together else None  # only a CPU looks at them
        begin = 0
        for make, sources in ((self._reduced, cuts.squares), (self._enlarged, cuts.lr)):
            for source in sources.split(self.together or max(1, len(sources))):
                part = slice(begin, begin + len(source))
                begin = part.stop
                if len(source):
                    N = self.sampling.largest_side if sides is None else int(sides[begin - 1])
                    made.append(make(source, n[part], row[part], column[part], N))
        lr, rgb = (torch.cat(parts)[order] for parts in zip(*made, strict=True))
        places = torch.stack([row, column], dim=-1)[order]
        size = n[order].double()[:, None, None]
        coords = -1 + (2 * places + 1) * (1 / size)  # as `geometry.pixel_centers`
        return Sample(lr, coords.float(), (2 / size).expand(-1, 1, 2).float(), rgb)

    def _reduced(
        self, squares: Int[Tensor, "B 6"], n: Int[Tensor, " B"], row: Places, column: Places, N: int
    ) -> tuple[Float[Tensor, "B 3 p p"], Float[Tensor, "B Q 3"]]:
        """LR patches, and the RGB of the queries, of squares that are HR patches."""
        picture, top, left, upside_down, mirrored, transposed = squares.long().unsqueeze(-1).unbind(1)
        B, p, last = len(squares), self.sampling.patch, n[:, None] - 1
        i = torch.arange(N, device=n.device).minimum(last)
        across = (top + torch.where(upside_down > 0, last - i, i)) * self.width[picture]
        along = left + torch.where(mirrored > 0, last - i, i)
        first, second = torch.where(transposed > 0, along, across), torch.where(transposed > 0, across, along)
        # Columns come first here, so that both reductions are products with the weights on the left.
        places = (self.first[picture] + second)[:, :, None] + first[:, None, :]
        square = self.pixels.index_select(0, places.flatten()).view(B, N * N)
        rgb = _bytes(square.gather(1, column * N + row))[..., :3]
        # The empty byte is reduced too, because taking three bytes of four costs more than it saves.
        weights = self._reduction(n, N)
        columns = _rounded(weights @ _bytes(square).float().view(B, N, N * 4)).view(B, p, N, 4)
        lr = _rounded(weights @ columns.transpose(1, 2).flatten(2)).view(B, p, p, 4)
        return to_model_range(lr[..., :3].permute(0, 3, 1, 2).contiguous()), to_model_range(rgb)

    def _enlarged(
        self, levels: UInt8[Tensor, "E 3 p p"], n: Int[Tensor, " E"], row: Places, column: Places, N: int
    ) -> tuple[Float[Tensor, "E 3 p p"], Float[Tensor, "E Q 3"]]:
        """LR patches that are shown as they are, and the RGB of the queries of the HR patches made from them:
        `sampling.enlarged`."""
        p, lr = self.sampling.patch, to_model_range(levels)
        up = pillow_weights(torch.full_like(n, p), n, p, N).float()[:, None]
        down = self._reduction(n, N)[:, None]
        i = torch.arange(N, device=n.device)
        near = ((i + 0.5) * (p / n.float())[:, None]).long().clamp(max=p - 1)  # beyond n too, where `up` has zeros
        own = (i < n[:, None]).float()
        rows, columns = near[:, None, :, None].expand(-1, 3, -1, p), near[:, None, None].expand(-1, 3, N, -1)
        nearest = lr.gather(2, rows).gather(3, columns)
        hr = (nearest * own[:, None, :, None] * own[:, None, None] + up @ lr @ up.mT) / 2
        for _ in range(BACK_PROJECTIONS):
            hr = (hr + up @ (lr - down @ hr @ down.mT) @ up.mT).clamp(-1, 1)
        before, after = self.lr_tones, tone_weights(n, p, N)[:, None]
        hr = mixed(hr, up @ tone_share(before @ lr @ before.mT, after @ hr @ after.mT) @ up.mT)
        place = (row * N + column)[:, None].expand(-1, 3, -1)
        return lr, hr.flatten(2).gather(2, place).transpose(1, 2)

    def _reduction(self, n: Int[Tensor, " B"], N: int) -> Float[Tensor, "B p N"]:
        """The weights of the reductions from these sides to p."""
        return self.reductions.index_select(0, n - self.sampling.smallest_side)[:, :, :N]


def bytes_of(patches: Patches) -> int:
    """The memory that the pictures take on a device."""
    return sum(4 * picture[0].numel() for picture in _pictures(patches))


def _pictures(patches: Patches) -> list[UInt8[Tensor, "3 _ _"]]:
    """The pictures by their places."""
    return [*patches.photographs.values(), *patches.others.values()]


def _rounded(values: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Rounds to whole grey levels, as Pillow does, in place."""
    return values.add_(0.5).floor_().clamp_(0, 255)


def _bytes(words: Int[Tensor, "*S"]) -> UInt8[Tensor, "*S 4"]:
    """The bytes of 32-bit words."""
    return words.unsqueeze(-1).view(torch.uint8)
