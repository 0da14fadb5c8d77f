"""A translator: the Transformer with the vocabularies of its two languages."""

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
from smalti.core.protocols import Batch, Condition, Loss, Spec, list_samplers
from smalti.core.ranges import Count, FractionBelowOne
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.layers.eval_mode import eval_mode
from smalti.layers.symbol_sampling import Ancestral
from smalti.translation.decoding import Beam, BeamSearch, Hypothesis, beam_search, draw_translations
from smalti.translation.tokenizer import BOS, PAD, SubwordTokenizer, pad_sequences
from smalti.translation.transformer import TransformerConfig


@dataclass(frozen=True)
@check_fields
class TranslatorConfig:
    """A translator from one language into another."""

    network: TransformerConfig = field(default_factory=TransformerConfig)
    """The network that predicts."""
    source_tokenizer_bytes: Count = 1
    """Size of the source's sentencepiece model, which stands among the weights."""
    target_tokenizer_bytes: Count = 1
    """Size of the target's."""
    source_language: str = "en"
    """The language it reads, an ISO 639 code."""
    target_language: str = "zh"
    """The language it writes."""
    label_smoothing: FractionBelowOne = 0.1
    """In training, the share of a label that goes to all symbols alike."""
    sampler: Beam | Ancestral = field(default_factory=Beam)
    """How it searches when nothing else is asked for."""

    def build(self) -> Translator:
        return Translator(self)


class Translator(Model):
    """Sentences to sentences. A state is what is written so far: symbols (n, t) int64, then <pad>.

    It takes sentences of a few dozen words; `smalti.translation.translate` takes any text, and
    looks after its placeholders.
    """

    source_model: Tensor
    target_model: Tensor

    def __init__(self, config: TranslatorConfig):
        super().__init__()
        self.config = config
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
    def source_tokenizer(self) -> SubwordTokenizer:
        """The source's vocabulary."""
        return read_tokenizer(self.source_model, self.config.network.source_vocab_size, "source")

    @cached_property
    def target_tokenizer(self) -> SubwordTokenizer:
        """The target's vocabulary."""
        return read_tokenizer(self.target_model, self.config.network.target_vocab_size, "target")

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Cross-entropy with smoothed labels: a mean over the symbols to write, without <pad>."""
        if batch.pairs is None:
            raise UserError("the batch has no sentence pairs, and a translator takes them")
        source, gold = batch.pairs
        logits = self.network(source, F.pad(gold[:, :-1], (1, 0), value=BOS))
        logits, real = logits.flatten(0, 1).float(), gold.flatten()  # (N T, K) and (N T,)
        label_smoothing = self.config.label_smoothing
        total = F.cross_entropy(logits, real, ignore_index=PAD, label_smoothing=label_smoothing)
        plain = F.cross_entropy(logits.detach(), real, ignore_index=PAD)
        return Loss(total, {"nats_per_symbol": plain}, weight=(real != PAD).sum())

    @property
    def device(self) -> torch.device:
        return self.network.out.weight.device

    def stream(
        self,
        rng: Rng,
        inputs: SamplingInputs = SamplingInputs(),
        sampler: Beam | Ancestral | None = None,
    ) -> Iterator[Canvas]:
        """Translations of given.text, a symbol longer each time; the last state is the result.

        Of a search it is the likeliest so far. Ancestral draws take one uniform number a symbol.
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
        """Symbols (n, S) of n sentences. UserError for another number of them."""
        if text is None or len(text) != n:
            found = "no text is" if text is None else f"{len(text)} sentences are"
            raise UserError(f"{found} given for {n} translations; give one sentence for each")
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
        while beams.active_rows:
            beams.step()
            step += 1
            best = pad_sequences(beams.list_best()).to(self.device)
            yield Canvas(best, step, max(beams.max_lengths), "symbol")

    def search(
        self, text: Sequence[str], beam: Beam, batch_size: int = 32
    ) -> list[list[Hypothesis]]:
        """The hypotheses for each sentence, best first; those of like length go together."""
        symbols = self.source_tokenizer.encode(text)
        order = sorted(range(len(text)), key=lambda k: len(symbols[k]))
        found: dict[int, list[Hypothesis]] = {}
        with eval_mode(self):
            for rows in (order[k : k + batch_size] for k in range(0, len(order), batch_size)):
                padded = pad_sequences([symbols[row] for row in rows]).to(self.device)
                found |= zip(rows, beam_search(self.network, padded, beam), strict=True)
        return [found[k] for k in range(len(text))]

    def render(self, state: Canvas) -> list[str]:
        """The sentences that the symbols (n, t) of a state spell."""
        return self.target_tokenizer.decode(state.symbols.tolist())


def read_tokenizer(model: Tensor, size: int, side: str) -> SubwordTokenizer:
    """The codec in a buffer. UserError unless the network has a row for each of its symbols."""
    tokenizer = SubwordTokenizer(model.cpu().numpy().tobytes())
    if tokenizer.size != size:
        raise UserError(
            f"the {side} vocabulary has {tokenizer.size} symbols and the network {size}; "
            "they are of different models"
        )
    return tokenizer


def build_translator(
    network: nn.Module, source: SubwordTokenizer, target: SubwordTokenizer, **config_fields: object
) -> Translator:
    """A translator of a trained network and its vocabularies; more: fields of its config."""
    sizes = {
        "source_tokenizer_bytes": len(source.model),
        "target_tokenizer_bytes": len(target.model),
    }
    config = TranslatorConfig(network.config, **sizes, **config_fields)  # pyright: ignore
    model = Translator(config)
    model.network.load_state_dict(network.state_dict())
    for side, codec in (("source", source), ("target", target)):
        content = torch.frombuffer(bytearray(codec.model), dtype=torch.uint8)
        model.get_buffer(f"{side}_model").copy_(content)
    return model.eval()
