"""Which class fulfills which protocol: type checkers read this, and nothing runs it.

A line fails where the class lacks a method of the protocol, or has it with other types.
"""

from __future__ import annotations

from smalti.autoregressive import Autoregressive, AutoregressiveConfig, Levels
from smalti.autoregressive.gpt.walker import GPTWalker
from smalti.autoregressive.naive_walker import NaiveTokenWalker, NaiveWalker
from smalti.autoregressive.output import SoftmaxDistribution
from smalti.autoregressive.pixelcnn.raster_walker import RasterWalker
from smalti.codecs.codebook import Codebook
from smalti.codecs.discriminator import DiscriminatorPlayer
from smalti.codecs.vqgan import VQGAN, VQGANConfig
from smalti.codecs.vqvae import VQVAE, VQVAEConfig
from smalti.core import players as p
from smalti.core import protocols as c
from smalti.core.canvas import Canvas
from smalti.data.codes import Codes
from smalti.data.pictures import Pictures
from smalti.data.sentence_pairs import HasVocabularies, SentencePairs, TextPairs
from smalti.data.shuffle import ShuffledBatches, ShuffledTokenBatches
from smalti.diffusion import Diffusion, DiffusionConfig, DiffusionState
from smalti.features.classifier import Classifier, ClassifierConfig
from smalti.translation import SubwordTokenizer, Tokenizer, Translator, WordTokenizer
from smalti.translation.model import TranslatorConfig

DATASETS: list[type[c.Dataset]] = [Pictures, Codes, SentencePairs, TextPairs]
HAS_VOCABULARIES: type[HasVocabularies] = TextPairs
HAS_EXAMPLES: type[p.HasExamples] = TextPairs
TOKENIZERS: list[type[Tokenizer]] = [SubwordTokenizer, WordTokenizer]
BATCH_ORDERS: list[type[c.BatchOrder]] = [ShuffledBatches, ShuffledTokenBatches]
HAVE_MIRRORED: list[type[p.HasMirrored]] = [Codes]
HAVE_FACTS: list[type[c.HasFacts]] = [Pictures, Codes, VQGANConfig]

CONFIGS: list[type[c.ModelConfig]] = [
    AutoregressiveConfig,
    ClassifierConfig,
    DiffusionConfig,
    TranslatorConfig,
    VQGANConfig,
    VQVAEConfig,
]
HAS_TRAINING_CHECK: type[p.HasTrainingCheck] = VQGANConfig

CODECS: list[type[c.Codec]] = [Levels, VQVAE, VQGAN]
LATENT_CODECS: list[type[c.LatentCodec]] = [VQVAE, VQGAN]

CANVASES: list[type[c.GenerativeModel[Canvas]]] = [Autoregressive, Translator]
NOISY: type[c.GenerativeModel[DiffusionState]] = Diffusion
STATES: list[type[c.SamplingState]] = [Canvas, DiffusionState]
HAVE_LIKELIHOOD: list[type[c.HasLikelihood]] = [Autoregressive, Diffusion]
AUTOREGRESSIVE_MODEL: type[c.AutoregressiveModel] = Autoregressive
WALKERS: list[type[c.Walker]] = [GPTWalker, NaiveTokenWalker, NaiveWalker, RasterWalker]
BEAM_WALKERS: list[type[c.BeamWalker]] = [GPTWalker, NaiveWalker]
SYMBOL_DISTRIBUTION: type[c.SymbolDistribution] = SoftmaxDistribution

PLAYERS: list[type[c.Player]] = [
    Autoregressive,
    Classifier,
    DiscriminatorPlayer,
    Diffusion,
    Translator,
    VQGAN,
    VQVAE,
]
HAS_PLAYERS: type[p.HasPlayers] = VQGAN
NEEDS_TOTAL_STEPS: type[p.NeedsTotalSteps] = VQGAN
NEEDS_TRAINING_DATA: type[p.NeedsTrainingData] = Translator
HAS_START_MESSAGES: type[p.HasStartMessages] = VQGAN
HAVE_SAVE_MESSAGES: list[type[p.HasSaveMessages]] = [VQGAN, DiscriminatorPlayer]
HAVE_OPTIMIZER_SETTINGS: list[type[p.HasOptimizerSettings]] = [DiscriminatorPlayer, Translator]
HAVE_AFTER_STEP: list[type[p.HasAfterStep]] = [VQVAE, VQGAN]
HAVE_VALIDATION: list[type[p.HasValidation]] = [VQVAE, VQGAN]
HAS_TRAINING_STATE: type[p.HasTrainingState] = Codebook
