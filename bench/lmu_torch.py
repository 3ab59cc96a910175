"""The LMU speech model in PyTorch: what tests/data/lmu was made with, bench/lmu.py's peer.

Parameter names are those of training code built on the PyTorch LMU cell of "Legendre Memory Units"
(Voelker, Kajic and Eliasmith 2019) and on LMUFFT of "Parallelizing Legendre Memory Unit Training"
(Chilkuri and Eliasmith 2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from parrotlet.architectures.lmu.state_space import state_space

VOCABULARY = [*" abcdefghijklmnopqrstuvwxyz'"]


@dataclass(frozen=True)
class Config:
    """Sizes and parts of a model; `seq_len` is what LMUFFT's buffers are made for."""

    hidden_size: int = 64
    memory_size: int = 32
    num_lmu_layers: int = 2
    num_attention_heads: int = 4
    use_attention: bool = True
    attention_bias: bool = True
    fft: bool = False
    seq_len: int = 0
    theta: float = 128.0
    input_size: int = 80

    def settings(self, **more: object) -> dict[str, object]:
        """The configuration that training saves with the state dict."""
        names = ("hidden_size", "memory_size", "num_lmu_layers", "theta", "input_size")
        settings: dict[str, object] = {name: getattr(self, name) for name in names}
        settings.update(use_attention=self.use_attention, vocabulary=VOCABULARY)
        if self.use_attention:
            settings["num_attention_heads"] = self.num_attention_heads
        return {**settings, "vocab_size": len(VOCABULARY) + 1, **more}


SIZES = {
    "demo": Config(256, 128, 2, 8),
    "production": Config(512, 256, 4, 8),
    "large": Config(1024, 512, 6, 16),
}


def register_state_space(module: nn.Module, config: Config) -> None:
    """Add the buffers A and B."""
    a, b = state_space(config.memory_size, config.theta)
    module.register_buffer("A", torch.from_numpy(a.astype(np.float32)))
    module.register_buffer("B", torch.from_numpy(b.astype(np.float32)))


class LmuCell(nn.Module):
    """One step: u = e_x x + e_h h + e_m m; m = A m + B u; h = tanh(W_x x + W_h h + W_m m)."""

    def __init__(self, config: Config) -> None:
        """Draw weights that keep signals at their scale."""
        super().__init__()
        register_state_space(self, config)
        d, n = config.hidden_size, config.memory_size
        shapes = {"e_x": (1, d), "e_h": (1, d), "e_m": (1, n), "W_x": (d, d), "W_h": (d, d)}
        for name, (rows, columns) in {**shapes, "W_m": (d, n)}.items():
            scale = (0.1 if name == "e_m" else 1.0) / columns**0.5
            self.register_parameter(name, nn.Parameter(torch.randn(rows, columns) * scale))

    def forward(self, x: Tensor, h: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        """h [batch, hidden] and m [batch, memory] after the input x [batch, hidden]."""
        return self.step(x @ self.W_x.T, x @ self.e_x.T, h, m)

    def step(self, from_x: Tensor, u_x: Tensor, h: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
        """The same from the products with x."""
        u = u_x + h @ self.e_h.T + m @ self.e_m.T
        m = m @ self.A.T + u @ self.B.T
        return torch.tanh(from_x + h @ self.W_h.T + m @ self.W_m.T), m

    def start(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """h and m before the first frame of x [batch, frames, hidden]."""
        return x.new_zeros(len(x), len(self.W_h)), x.new_zeros(len(x), len(self.A))


class Lmu(nn.Module):
    """A cell run over all frames."""

    def __init__(self, config: Config) -> None:
        """Make the cell."""
        super().__init__()
        self.cell = LmuCell(config)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, frames, hidden] from the same, with the inputs' products ahead of the loop."""
        h, m = self.cell.start(x)
        from_x, u_x = x @ self.cell.W_x.T, x @ self.cell.e_x.T
        out = []
        for t in range(x.shape[1]):
            h, m = self.cell.step(from_x[:, t], u_x[:, t], h, m)
            out.append(h)
        return torch.stack(out, 1)


class LmuFft(nn.Module):
    """u = relu(W_u x); m = u convolved with A^k B; h = relu(W_h [m, x])."""

    def __init__(self, config: Config) -> None:
        """Make the buffers for sequences of `seq_len`."""
        super().__init__()
        register_state_space(self, config)
        d, n = config.hidden_size, config.memory_size
        self.W_u = nn.Linear(d, 1)
        self.W_h = nn.Linear(n + d, d)
        response = [self.B]
        for _ in range(config.seq_len - 1):
            response.append(self.A @ response[-1])
        self.register_buffer("H", torch.cat(response, 1))
        self.register_buffer("fft_H", torch.fft.rfft(self.H, n=2 * config.seq_len))

    def forward(self, x: Tensor) -> Tensor:
        """[batch, seq_len, hidden] from the same."""
        frames = x.shape[1]
        u = torch.relu(self.W_u(x)).transpose(1, 2)
        spectrum = torch.fft.rfft(u, n=2 * frames) * self.fft_H
        m = torch.fft.irfft(spectrum, n=2 * frames)[..., :frames].transpose(1, 2)
        return torch.relu(self.W_h(torch.cat((m, x), -1)))


class Attention(nn.Module):
    """layer_norm(x + w_o(scaled dot-product attention of all frames))."""

    def __init__(self, config: Config) -> None:
        """Make the projections."""
        super().__init__()
        d, self.heads = config.hidden_size, config.num_attention_heads
        for name in ("w_q", "w_k", "w_v", "w_o"):
            self.add_module(name, nn.Linear(d, d, bias=config.attention_bias))
        self.layer_norm = nn.LayerNorm(d)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, frames, hidden] from the same."""
        q, k, v = (
            w(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for w in (self.w_q, self.w_k, self.w_v)
        )
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
        return self.layer_norm(x + self.w_o((weights @ v).transpose(1, 2).flatten(-2)))


class SelfAttention(nn.Module):
    """The wrapper that gives names their second "attention"."""

    def __init__(self, config: Config) -> None:
        """Make the one part."""
        super().__init__()
        self.attention = Attention(config)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, frames, hidden] from the same."""
        return self.attention(x)


class Encoder(nn.Module):
    """Projection; per layer attention, LMU and LayerNorm; projection."""

    def __init__(self, config: Config) -> None:
        """Make the layers."""
        super().__init__()
        d, layers = config.hidden_size, range(config.num_lmu_layers)
        self.input_projection = nn.Linear(config.input_size, d)
        if config.use_attention:
            self.attention_layers = nn.ModuleList(SelfAttention(config) for _ in layers)
        else:
            self.attention_layers = None
        layer = LmuFft if config.fft else Lmu
        self.lmu_layers = nn.ModuleList(layer(config) for _ in layers)
        self.layer_norms = nn.ModuleList(nn.LayerNorm(d) for _ in layers)
        self.output_projection = nn.Linear(d, d)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, frames, hidden] from features [batch, frames, input_size]."""
        x = self.input_projection(x)
        for i, (lmu, norm) in enumerate(zip(self.lmu_layers, self.layer_norms, strict=True)):
            if self.attention_layers is not None:
                x = self.attention_layers[i](x)
            x = norm(lmu(x))
        return self.output_projection(x)


class Decoder(nn.Module):
    """The CTC head."""

    def __init__(self, config: Config) -> None:
        """Make the projection."""
        super().__init__()
        self.ctc_projection = nn.Linear(config.hidden_size, len(VOCABULARY) + 1)

    def forward(self, x: Tensor) -> Tensor:
        """Log-probabilities [batch, frames, vocabulary + 1], blank last."""
        return self.ctc_projection(x).log_softmax(-1)


class LmuAsr(nn.Module):
    """The whole model after its features."""

    def __init__(self, config: Config) -> None:
        """Leave no parameter at zero or one, as training does."""
        super().__init__()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        for parameter in self.parameters():
            parameter.data += 0.02 * torch.randn_like(parameter)
