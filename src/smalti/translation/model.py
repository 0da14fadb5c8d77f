"""A translator: the Transformer with a tokenizer for each language, or one for both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.core.canvas import Canvas
from smalti.core.conditions import merge_shorthands
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.model import Model
from smalti.core.protocols import Batch, Condition, Dataset, Loss, Spec, list_samplers
from smalti.core.ranges import Count, FractionBelowOne, Weight
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.data.sentence_pairs import HasVocabularies
from smalti.layers.eval_mode import eval_mode
from smalti.layers.symbol_sampling import Ancestral
from smalti.translation.decoding import Beam, BeamSearch, Hypothesis, beam_search, draw_translations
from smalti.translation.tokenizer import BOS, PAD, SubwordTokenizer, Tokenizer, pad_sequences
from smalti.translation.transformer import TransformerConfig
from smalti.translation.words import parse_words


@dataclass(frozen=True)
@check_fields
class TranslatorConfig:
    """Configuration of a translator."""

    network: TransformerConfig = field(default_factory=TransformerConfig)
    """Encoder-decoder network."""
    source_tokenizer_bytes: Count = 1
    """Bytes of the source tokenizer. It is stored with the weights."""
    target_tokenizer_bytes: Count = 1
    """Bytes of the target tokenizer."""
    source_language: str = "en"
    """Source language, an ISO 639 code."""
    target_language: str = "zh"
    """Target language, an ISO 639 code."""
    label_smoothing: FractionBelowOne = 0.1
    """Label smoothing of the training loss."""
    r_drop: Weight = 0.0
    """Weight of R-Drop; doubles the time of a step. Two passes with different dropout are drawn
    together (arXiv:2106.14448)."""
    adam_beta2: FractionBelowOne = 0.98
    """Decay of AdamW's mean squared gradient. Transformers train with less than the usual 0.999."""
    sampler: Beam | Ancestral = field(default_factory=Beam)
    """Default search or sampler."""

    def build(self) -> Translator:
        return Translator(self)


class Translator(Model):
    """Translates sentences. A state holds the symbols so far: (n, t) int64, padded with <pad>.

    Takes sentences of a few dozen words; `smalti.translation.translate` takes any text and
    preserves its placeholders.
    """

    source_model: Tensor
    target_model: Tensor
    lr_scale = 1.0

    def __init__(self, config: TranslatorConfig):
        super().__init__()
        self.config = config
        self.betas = (0.9, config.adam_beta2)
        self.network = config.network.build()
        for side, size in (
            ("source", config.source_tokenizer_bytes),
            ("target", config.target_tokenizer_bytes),
        ):
            self.register_buffer(f"{side}_model", torch.zeros(size, dtype=torch.uint8))
        self.spec = Spec(
            output="text",
            conditions=(Condition("text", "tokens"),),
            accepted_inputs=("text",),
            samplers=list_samplers(config.sampler, Beam(), Ancestral()),
        )

    @cached_property
    def source_tokenizer(self) -> Tokenizer:
        """Tokenizer of the source language."""
        return read_tokenizer(self.source_model, self.config.network.source_vocab_size, "source")

    @cached_property
    def target_tokenizer(self) -> Tokenizer:
        """Tokenizer of the target language."""
        return read_tokenizer(self.target_model, self.config.network.target_vocab_size, "target")

    def set_training_data(self, data: Dataset) -> None:
        """Take the vocabularies of the data. UserError if neither they nor the model have any."""
        if isinstance(data, HasVocabularies):
            self.set_tokenizers(data.source_tokenizer.model, data.target_tokenizer.model)
        elif not self.source_model.any():
            raise UserError(
                f"{data.name} has no vocabularies, and neither has the model; give TextPairs, or "
                "start from a model"
            )

    def set_tokenizers(self, source: bytes, target: bytes) -> None:
        """Store the tokenizers' `model`s with the weights."""
        for side, model in (("source", source), ("target", target)):
            content = torch.frombuffer(bytearray(model), dtype=torch.uint8)
            self.get_buffer(f"{side}_model").copy_(content)

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Cross-entropy with label smoothing, averaged over the target symbols except <pad>.

        In training, with R-Drop: eq. 4 of arXiv:2106.14448, halved, since both passes are averaged.
        """
        if batch.pairs is None:
            raise UserError("the batch has no sentence pairs; a translator needs them")
        source, gold = batch.pairs
        r_drop = self.config.r_drop if self.training else 0.0
        if r_drop:
            source, gold = source.repeat(2, 1), gold.repeat(2, 1)
        memory, mask = self.network.encode(source)
        features = self.network.decode(F.pad(gold[:, :-1], (1, 0), value=BOS), memory, mask)
        real = gold != PAD
        from smalti.kernels.cross_entropy import compute_cross_entropy  # compiles on first use

        logits, symbols = self.network.out(features[real]), gold[real]  # (M, K) and (M,)
        nats, losses = compute_cross_entropy(logits, symbols, self.config.label_smoothing)
        total, terms = losses.mean(), {"nats_per_symbol": nats.mean()}
        if r_drop:
            divergence = compute_divergence(*logits.float().log_softmax(-1).chunk(2))
            total = total + r_drop / 4 * divergence
            terms["r_drop"] = divergence.detach()
        return Loss(total, terms, weight=real.sum())

    @property
    def device(self) -> torch.device:
        return self.network.out.weight.device

    def stream(
        self,
        rng: Rng,
        inputs: SamplingInputs = SamplingInputs(),
        sampler: Beam | Ancestral | None = None,
    ) -> Iterator[Canvas]:
        """Translate inputs.text, one symbol longer each time; the last state is the result.

        States of a search are the likeliest so far. Ancestral sampling draws one uniform number
        per symbol.
        """
        sampler = sampler or self.config.sampler
        text = merge_shorthands(inputs).get("text")
        source = self.encode(text if isinstance(text, list) else None, len(rng))
        states = self.iterate_states(source, rng, sampler)
        while True:
            with eval_mode(self):
                state = next(states, None)
            if state is None:
                return
            yield state

    def encode(self, text: Sequence[str] | None, n: int) -> Tensor:
        """Encode n sentences as symbols (n, S). Raises UserError for another number of them."""
        if text is None or len(text) != n:
            given = "no text is" if text is None else f"{len(text)} sentences are"
            raise UserError(f"{given} given for {n} translations; give one sentence each")
        return pad_sequences(self.source_tokenizer.encode(text)).to(self.device)

    def iterate_states(
        self, source: Tensor, rng: Rng, sampler: Beam | Ancestral
    ) -> Iterator[Canvas]:
        if isinstance(sampler, Ancestral):
            yield from draw_translations(
                self.network, source, sampler, lambda: rng.uniform(1)[:, 0]
            )
            return
        beams, step = BeamSearch(self.network, source, sampler), 0
        while len(beams.active_rows):
            beams.step()
            step += 1
            best = pad_sequences(beams.list_best()).to(self.device)
            yield Canvas(best, step, int(beams.max_lengths.max()), "symbol")

    def search(
        self, text: Sequence[str], beam: Beam, batch_size: int = 32
    ) -> list[list[Hypothesis]]:
        """Search hypotheses for each sentence, best first; batches group similar lengths."""
        symbols = self.source_tokenizer.encode(text)
        order = sorted(range(len(text)), key=lambda k: len(symbols[k]))
        found: dict[int, list[Hypothesis]] = {}
        with eval_mode(self):
            for rows in (order[k : k + batch_size] for k in range(0, len(order), batch_size)):
                padded = pad_sequences([symbols[row] for row in rows]).to(self.device)
                found |= zip(rows, beam_search(self.network, padded, beam), strict=True)
        return [found[k] for k in range(len(text))]

    def render(self, state: Canvas) -> list[str]:
        """Decode the symbols (n, t) of a state to sentences."""
        return self.target_tokenizer.decode(state.symbols.tolist())


def compute_divergence(one: Tensor, other: Tensor) -> Tensor:
    """KL(p || q) + KL(q || p) of log-probabilities (M, K), averaged over M."""
    return ((one.exp() - other.exp()) * (one - other)).sum(-1).mean()


def read_tokenizer(model: Tensor, size: int, side: str) -> Tokenizer:
    """Read a tokenizer from a buffer. UserError if its size is not the network's."""
    content = model.cpu().numpy().tobytes()
    tokenizer = (parse_words if content.startswith(b"cut\t") else SubwordTokenizer)(content)
    if tokenizer.size != size:
        raise UserError(
            f"the {side} vocabulary has {tokenizer.size} symbols, but the network {size}; "
            "they belong to different models"
        )
    return tokenizer


def build_translator(
    network: nn.Module, source: Tokenizer, target: Tokenizer, **config_fields: object
) -> Translator:
    """Build a translator from a trained network, tokenizers and fields of TranslatorConfig."""
    sizes = {
        "source_tokenizer_bytes": len(source.model),
        "target_tokenizer_bytes": len(target.model),
    }
    config = TranslatorConfig(network.config, **sizes, **config_fields)  # pyright: ignore
    model = Translator(config)
    model.network.load_state_dict(network.state_dict())
    model.set_tokenizers(source.model, target.model)
    return model.eval()
