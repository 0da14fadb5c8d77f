"""The Transformer's weights in the order in which compiled products read them."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from smalti.core.int8 import SCALE_SUFFIX, dequantize_matrix, quantize_weights
from smalti.kernels import encoder_decoder as kernel
from smalti.kernels.panels import pack_panels, panel_width, round_up_to_panels
from smalti.kernels.weight_rows import HAS_PAIR_SUMS, TILE
from smalti.translation.transformer import Transformer, encode_positions

packed_networks: WeakKeyDictionary[Transformer, PackedNetwork] = WeakKeyDictionary()


def pack_network(network: Transformer) -> PackedNetwork:
    """Pack a network's weights, once until they change (other than through `.data`)."""
    version = [(p.data_ptr(), p._version) for p in network.parameters()]
    packed = packed_networks.get(network)
    if packed is None or packed.version != version:
        packed = packed_networks[network] = PackedNetwork(network, version)
    return packed


def decodes_in_int8(network: Transformer) -> bool:
    """Whether the decoder's products are of int8 weights: where rounding them changes nothing.

    So it is for weights that were loaded from int8.
    """
    if not HAS_PAIR_SUMS or network.out.weight.dtype != torch.float32:
        return False
    for layer in network.modules():  # pyright: ignore
        if isinstance(layer, nn.Linear):
            w = layer.weight.detach()
            stored = quantize_weights({"w": w})
            if not torch.equal(dequantize_matrix(stored["w"], stored["w" + SCALE_SUFFIX]), w):
                return False
    return True


class PackedNetwork:
    """A network's weights as kernels read them: `table` has their addresses.

    version: identifies the weights that were packed.
    """

    def __init__(self, network: Transformer, version: object):
        self.version, self.dtype = version, network.out.weight.detach().numpy().dtype
        self.is_int8 = decodes_in_int8(network)
        self.arrays: list[np.ndarray] = []  # kept alive
        config, size = network.config, self.round_up
        self.cost = sum(p.numel() for p in network.parameters())  # multiply-adds of a row, about
        matrices = [m.weight.T.shape for m in network.modules() if isinstance(m, nn.Linear)]
        most = sum(size(k) * size(o) for k, o in matrices)
        memory = np.zeros(most, self.dtype)  # in a row, so that it lies in huge pages
        self.memory = memory.view(np.uint8)
        layers = [self.list_layer(layer) for layer in (*network.encoder, *network.decoder)]
        end = [self.list_norm(network.encoder_norm), self.list_norm(network.decoder_norm)]
        layers.append([*end[0], *end[1], *self.list_matrix(network.out, self.is_int8)])
        self.table = np.array([row + [0] * (20 - len(row)) for row in layers], np.int64)
        self.embeddings = [self.keep(t.weight) for t in (network.source, network.target)]
        self.positions = np.empty((0, config.width), self.dtype)
        sizes = {kernel.WIDTH: config.width, kernel.HEADS: config.heads}
        sizes |= {kernel.PRE: config.norm == "pre", kernel.ENCODER_LAYERS: config.encoder_layers}
        sizes |= {kernel.STRIDE: size(config.width), kernel.QKV_STRIDE: size(3 * config.width)}
        sizes |= {kernel.KV_STRIDE: size(2 * config.width), kernel.PANEL: panel_width(self.dtype)}
        sizes |= {kernel.HIDDEN_STRIDE: size(config.feed_forward_width)}
        sizes |= {kernel.LOGITS_STRIDE: size(config.target_vocab_size)}
        columns = max(
            sizes[kernel.LOGITS_STRIDE], 3 * sizes[kernel.STRIDE], sizes[kernel.HIDDEN_STRIDE]
        )
        sizes[kernel.WORK_STRIDE] = TILE + columns // 2 + 1 + columns if self.is_int8 else 0
        self.sizes = np.array([sizes.get(k, 0) for k in range(17)], np.int64)
        self.weight_like = np.empty(0, np.int8 if self.is_int8 else self.dtype)

    def round_up(self, n: int) -> int:
        return round_up_to_panels(n, self.dtype)

    def list_layer(self, layer: Any) -> list[int]:
        """List the addresses of a layer's weights in the kernel's order; 0 where it has none."""
        norms = [self.list_norm(residual.norm) for residual in layer.residuals]
        int8 = self.is_int8
        row = [*norms[0], *self.list_matrix(layer.attention.qkv, int8)]
        row += self.list_matrix(layer.attention.out, int8)
        if len(norms) == 3:
            row += [*norms[1], *self.list_matrix(layer.cross.q, int8)]
            row += self.list_matrix(layer.cross.out, int8) + self.list_matrix(layer.cross.kv, int8)
        else:
            row += [0] * 8
        row += [*norms[-1], *self.list_matrix(layer.feed_forward.inner, int8)]
        return row + self.list_matrix(layer.feed_forward.outer, int8)

    def list_norm(self, norm: nn.Module) -> list[int]:
        if not isinstance(norm, nn.LayerNorm):
            return [0, 0]
        return [self.keep(norm.weight), self.keep(norm.bias)]

    def list_matrix(self, layer: nn.Linear, int8: bool = False) -> list[int]:
        """Pack a matrix and its bias, padded with zeros to whole panels, or as rows of int8."""
        w, b = layer.weight.detach(), layer.bias.detach().numpy()
        o, k = map(self.round_up, w.shape)
        kind = np.int8 if int8 else self.dtype
        matrix, bias = np.zeros((o, k), kind), np.zeros((1 + int8, o), self.dtype)
        bias[0, : len(b)] = b
        if int8:
            stored = quantize_weights({"w": w})
            w, bias[1, : len(b)] = stored["w"], stored["w" + SCALE_SUFFIX].numpy()
        matrix[: w.shape[0], : w.shape[1]] = w.numpy()
        size = matrix.nbytes
        packed, self.memory = self.memory[:size].view(kind), self.memory[size:]
        packed[:] = matrix.ravel() if int8 else pack_panels(matrix.T).ravel()
        return [self.keep(packed), self.keep(bias)]

    def keep(self, array: np.ndarray | Tensor) -> int:
        """Keep an array, or a tensor's memory, alive; returns its address."""
        kept = array.detach().contiguous().numpy() if isinstance(array, Tensor) else array
        self.arrays.append(kept)
        return kept.ctypes.data

    def list_positions(self, count: int) -> np.ndarray:
        """List the encodings of at least `count` positions: (more, width)."""
        if len(self.positions) < count:
            found = encode_positions(torch.arange(2 * count), self.positions.shape[1])
            self.positions = found.numpy().astype(self.dtype)
        return self.positions
