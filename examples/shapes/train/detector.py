"""The network: YOLO-style, a backbone, a neck that goes up and down again, and three heads of raw maps."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pipeline import CHANNELS
from torch import Tensor, nn

WIDTHS = (8, 16, 40, 56, 72)


class Conv(nn.Sequential):
    """Convolution, batch norm, SiLU."""

    def __init__(self, into: int, out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out), nn.SiLU()
        )


class Csp(nn.Module):
    """Half of the channels pass through a residual bottleneck, half go around it."""

    def __init__(self, into: int, out: int, residual: bool = True) -> None:
        super().__init__()
        half = out // 2
        self.through, self.around = Conv(into, half, 1), Conv(into, half, 1)
        self.first, self.second = Conv(half, half, 1), Conv(half, half, 3)
        self.join = Conv(2 * half, out, 1)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        through = self.through(x)
        deeper = self.second(self.first(through))
        deeper = through + deeper if self.residual else deeper
        return self.join(torch.cat([deeper, self.around(x)], 1))


class Join(nn.Module):
    """Two maps side by side, brought to one range: a batch norm that no convolution before it can take in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.act = nn.BatchNorm2d(channels), nn.SiLU()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.act(self.norm(torch.cat([a, b], 1)))


class Detector(nn.Module):
    """(N, 3, 160, 160) to raw maps (N, 11, 20, 20), (N, 11, 10, 10), (N, 11, 5, 5)."""

    def __init__(self) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = WIDTHS
        self.stem = nn.Sequential(Conv(3, c1, 3, 2), Conv(c1, c2, 3, 2), Csp(c2, c2))
        self.stage3 = nn.Sequential(Conv(c2, c3, 3, 2), Csp(c3, c3))
        self.stage4 = nn.Sequential(Conv(c3, c4, 3, 2), Csp(c4, c4))
        self.stage5 = nn.Sequential(Conv(c4, c5, 3, 2), Csp(c5, c5))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.lateral5, self.join4, self.up4 = Conv(c5, c4, 1), Join(2 * c4), Csp(2 * c4, c4, False)
        self.lateral4, self.join3, self.up3 = Conv(c4, c3, 1), Join(2 * c3), Csp(2 * c3, c3, False)
        self.down3, self.down4 = Conv(c3, c3, 3, 2), Conv(c4, c4, 3, 2)
        self.out4, self.out5 = Csp(2 * c3, c4, False), Csp(2 * c4, c5, False)
        self.heads = nn.ModuleList([nn.Conv2d(c, CHANNELS, 1) for c in (c3, c4, c5)])
        for head in self.heads:
            nn.init.constant_(head.bias[4], -4.0)  # most cells are empty

    def forward(self, image: Tensor) -> Sequence[Tensor]:
        b3 = self.stage3(self.stem(image))
        b4 = self.stage4(b3)
        l5 = self.lateral5(self.stage5(b4))
        l4 = self.lateral4(self.up4(self.join4(self.up(l5), b4)))
        n3 = self.up3(self.join3(self.up(l4), b3))
        n4 = self.out4(torch.cat([self.down3(n3), l4], 1))
        n5 = self.out5(torch.cat([self.down4(n4), l5], 1))
        return tuple(head(x) for head, x in zip(self.heads, (n3, n4, n5), strict=True))
