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
from smalti.codecs.kl_autoencoder import KLAutoencoder, KLAutoencoderConfig
from smalti.codecs.vqgan import VQGAN, VQGANConfig
from smalti.codecs.vqvae import VQVAE, VQVAEConfig
from smalti.core import players as p
from smalti.core import protocols as c
from smalti.core.canvas import Canvas
from smalti.data.codes import Codes
from smalti.data.latents import EncodedLatents
from smalti.data.pictures import Pictures
from smalti.data.sentence_pairs import HasVocabularies, SentencePairs, TextPairs
from smalti.data.shuffle import ShuffledBatches, ShuffledTokenBatches
from smalti.diffusion import Diffusion, DiffusionConfig, DiffusionState
from smalti.diffusion.latents import LatentSpace
from smalti.diffusion.space import Pixels, Space
from smalti.features.classifier import Classifier, ClassifierConfig
from smalti.translation import SubwordTokenizer, Tokenizer, Translator, WordTokenizer
from smalti.translation.model import TranslatorConfig

DATASETS: list[type[c.Dataset]] = [Pictures, Codes, EncodedLatents, SentencePairs, TextPairs]
HAS_VOCABULARIES: type[HasVocabularies] = TextPairs
HAS_EXAMPLES: type[p.HasExamples] = TextPairs
TOKENIZERS: list[type[Tokenizer]] = [SubwordTokenizer, WordTokenizer]
BATCH_ORDERS: list[type[c.BatchOrder]] = [ShuffledBatches, ShuffledTokenBatches]
HAVE_MIRRORED: list[type[p.HasMirrored]] = [Codes, EncodedLatents]
HAVE_FACTS: list[type[c.HasFacts]] = [Pictures, Codes, EncodedLatents, VQGANConfig]

CONFIGS: list[type[c.ModelConfig]] = [
    AutoregressiveConfig,
    ClassifierConfig,
    DiffusionConfig,
    KLAutoencoderConfig,
    TranslatorConfig,
    VQGANConfig,
    VQVAEConfig,
]
HAVE_TRAINING_CHECK: list[type[p.HasTrainingCheck]] = [VQGANConfig, KLAutoencoderConfig]

CODECS: list[type[c.Codec]] = [Levels, VQVAE, VQGAN]
LATENT_CODECS: list[type[c.LatentCodec]] = [VQVAE, VQGAN, KLAutoencoder]

CANVASES: list[type[c.GenerativeModel[Canvas]]] = [Autoregressive, Translator]
SPACES: list[type[Space]] = [Pixels, LatentSpace]
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
    KLAutoencoder,
    Translator,
    VQGAN,
    VQVAE,
]
HAVE_PLAYERS: list[type[p.HasPlayers]] = [VQGAN, KLAutoencoder]
NEED_TOTAL_STEPS: list[type[p.NeedsTotalSteps]] = [VQGAN, KLAutoencoder]
NEED_TRAINING_DATA: list[type[p.NeedsTrainingData]] = [Diffusion, Translator]
HAVE_START_MESSAGES: list[type[p.HasStartMessages]] = [VQGAN, KLAutoencoder]
HAVE_SAVE_MESSAGES: list[type[p.HasSaveMessages]] = [VQGAN, KLAutoencoder, DiscriminatorPlayer]
HAVE_OPTIMIZER_SETTINGS: list[type[p.HasOptimizerSettings]] = [DiscriminatorPlayer, Translator]
HAVE_AFTER_STEP: list[type[p.HasAfterStep]] = [VQVAE, VQGAN]
HAVE_VALIDATION: list[type[p.HasValidation]] = [VQVAE, VQGAN, KLAutoencoder]
HAS_TRAINING_STATE: type[p.HasTrainingState] = Codebook
