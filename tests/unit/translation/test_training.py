"""Training a translator: its loss, and a run of the training loop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

import smalti
from smalti.core.checkpoint import save
from smalti.core.protocols import Batch
from smalti.data.sentence_pairs import SentencePairs, join_sentences
from smalti.training import Training, run
from smalti.translation import Beam, TransformerConfig, Translator, train_tokenizer
from smalti.translation.model import build_translator
from smalti.translation.tokenizer import BOS, PAD
from tests.expect import expect_user_error

ENGLISH = ["Open a file", "Save the file", "Click here", "Close the window now"]
CHINESE = ["打开文件", "保存文件", "单击这里", "现在关闭窗口"]


@pytest.fixture(scope="module")
def untrained() -> Translator:
    torch.manual_seed(3)
    source, target = (
        train_tokenizer(ENGLISH, 40),
        train_tokenizer(CHINESE, 24, add_dummy_prefix=False),
    )
    network = TransformerConfig(
        40, 24, 32, 2, encoder_layers=1, decoder_layers=1, feed_forward_width=64
    )
    return build_translator(network.build(), source, target, sampler=Beam(2, max_length=12))


def make_pairs(model: Translator) -> SentencePairs:
    source, target = model.source_tokenizer.encode(ENGLISH), model.target_tokenizer.encode(CHINESE)
    return SentencePairs(join_sentences(source), join_sentences(target), "four sentences")


def test_the_loss_is_that_of_smoothed_labels_per_symbol(untrained: Translator) -> None:
    batch = make_pairs(untrained).make_batch(torch.arange(4), torch.device("cpu"))
    assert batch.pairs is not None
    source, gold = batch.pairs
    loss = untrained.loss(batch, 0)
    shown = torch.cat([torch.full((4, 1), BOS), gold[:, :-1]], dim=1)
    log_p = untrained.network(source, shown).log_softmax(-1)
    right = log_p.gather(2, gold[..., None])[..., 0]
    smooth = -(0.9 * right + 0.1 * log_p.mean(-1))
    torch.testing.assert_close(loss.total, smooth[gold != PAD].mean())
    torch.testing.assert_close(loss.terms["nats_per_symbol"], -right[gold != PAD].mean())
    assert loss.weight == (gold != PAD).sum() < gold.numel()
    with expect_user_error("the batch has no sentence pairs"):
        untrained.loss(Batch(torch.zeros(1, 1, 8, 8)), 0)


def test_r_drop_adds_the_divergence_of_two_passes(untrained: Translator) -> None:
    batch = make_pairs(untrained).make_batch(torch.arange(4), torch.device("cpu"))
    assert batch.pairs is not None
    config = replace(untrained.config, network=replace(untrained.config.network, dropout=0.3))
    plain, twice = config.build(), replace(config, r_drop=3.0).build().train()
    twice.load_state_dict(untrained.state_dict())
    plain.load_state_dict(untrained.state_dict())
    torch.manual_seed(5)
    loss = twice.loss(batch, 0)
    source, gold = (side.repeat(2, 1) for side in batch.pairs)
    shown = torch.cat([torch.full((8, 1), BOS), gold[:, :-1]], dim=1)
    torch.manual_seed(5)
    p, q = twice.network(source, shown).log_softmax(-1)[gold != PAD].chunk(2)
    symbols = gold[gold != PAD].chunk(2)[0]
    cross_entropy = sum(  # eq. 3 of arXiv:2106.14448
        F.cross_entropy(one, symbols, label_smoothing=0.1) for one in (p, q)
    )
    kl = sum(F.kl_div(a, b, log_target=True, reduction="batchmean") for a, b in ((p, q), (q, p)))
    torch.testing.assert_close(loss.total, (cross_entropy + 3.0 * kl / 2) / 2)
    torch.testing.assert_close(loss.terms["r_drop"], torch.as_tensor(kl))
    assert loss.weight == 2 * len(symbols)
    held_out = [model.eval().loss(batch, 0).total for model in (plain, twice)]
    torch.testing.assert_close(*held_out)


def test_the_source_can_share_the_embedding_of_a_joint_vocabulary() -> None:
    network = TransformerConfig(20, 20, 16, 2, tied_source=True, tied_embeddings=False).build()
    assert network.source.weight is network.target.weight is not network.out.weight
    with expect_user_error("tied_source", "20 symbols", "30"):
        TransformerConfig(20, 30, 16, 2, tied_source=True)


def test_data_without_vocabularies_need_a_model_with_some(untrained: Translator) -> None:
    with expect_user_error("four sentences has no vocabularies"):
        untrained.config.build().set_training_data(make_pairs(untrained))
    untrained.set_training_data(make_pairs(untrained))  # it has its own


def test_a_run_teaches_it(untrained: Translator, tmp_path: Path) -> None:
    save(untrained, tmp_path / "start")  # its tokenizers are stored with the weights
    train = make_pairs(untrained)
    plan = Training(
        steps=150,
        batch_size=16,
        learning_rate=0.01,
        warmup=5,
        ema=0.9,
        precision="32",
        save_every=150,
    )
    out = tmp_path / "run"
    run(untrained.config, train, train, plan, out, start=str(tmp_path / "start"))
    assert smalti.sample(untrained, cond=ENGLISH) != CHINESE
    assert smalti.sample(smalti.load(out), cond=ENGLISH) == CHINESE
