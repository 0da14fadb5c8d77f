"""What options are called elsewhere: in the scripts of diffusers, torch and Hugging Face."""

from __future__ import annotations

import difflib
from collections.abc import Collection

SYNONYMS = {
    "--num": "num-samples num-images num-images-per-prompt n-samples n-images num-return-sequences "
    "number count samples",
    "--steps": "num-inference-steps inference-steps sampling-steps ddim-steps ddpm-num-steps "
    "max-train-steps max-steps num-steps train-steps n-steps iters num-iters iterations",
    "--epochs": "num-train-epochs num-epochs n-epochs max-epochs epoch train-epochs",
    "--batch-size": "train-batch-size eval-batch-size per-device-train-batch-size bs batch "
    "per-gpu-train-batch-size mini-batch-size",
    "--lr": "learning-rate rate lr-rate base-lr initial-learning-rate",
    "--warmup": "lr-warmup-steps warmup-steps num-warmup-steps warmup-ratio",
    "--max-grad-norm": "clip grad-clip clip-grad-norm gradient-clip-val gradient-clipping",
    "--accumulate": "gradient-accumulation-steps accumulate-grad-batches grad-accum",
    "--precision": "mixed-precision fp16 bf16 amp dtype",
    "--devices": "num-processes gpus num-gpus n-gpu nproc-per-node world-size",
    "--ema": "ema-decay use-ema ema-max-decay",
    "--flip": "random-flip horizontal-flip hflip",
    "--augment": "augmentation data-augmentation aug",
    "--patience": "early-stopping early-stopping-patience early-stop",
    "--unique": "dedup deduplicate drop-duplicates",
    "--group-by": "groups group-pattern split-by",
    "--compile": "torch-compile use-compile",
    "--save-every": "checkpointing-steps save-steps save-interval save-images-epochs logging-steps "
    "save-model-epochs save",
    "--resume": "resume-from-checkpoint resume-from resume-training continue",
    "--start": "pretrained-model-name-or-path pretrained model-name-or-path ckpt "
    "checkpoint init weights load",
    "--out": "output output-dir out-dir outdir save-dir save-path output-path logging-dir o",
    "--data": "train-data-dir data-dir dataset dataset-name dataroot data-path image-dir",
    "--size": "resolution image-size img-size height width res",
    "--crop": "center-crop random-crop",
    "--color": "colour grayscale greyscale mode image-mode",
    "--stretch": "squeeze",
    "--guidance": "guidance-scale cfg cfg-scale classifier-free-guidance w scale",
    "--sampler": "scheduler sampling-method noise-scheduler",
    "--class": "label labels class-label class-labels class-id classes y",
    "--text": "prompt prompts caption captions",
    "--picture": "image init-image init-img input-image",
    "--temperature": "temp t sampling-temperature",
    "--model.schedule": "beta-schedule ddpm-beta-schedule noise-schedule",
    "--model.schedule.T": "num-train-timesteps timesteps ddpm-num-train-timesteps num-timesteps",
    "--model.prediction": "prediction-type objective",
    "--model.network.widths": "block-out-channels channel-mult channels dim-mults",
    "--beam-size": "num-beams beam beams beam-width",
    "--length-penalty": "penalty alpha lenpen",
    "--n-best": "nbest num-return-sequences",
    "--metrics": "metric",
    "--seed": "random-seed manual-seed generator",
    "--device": "gpu cuda use-cuda",
    "--background": "bg background-color",
}
"""Our options, and what else they are called."""
HOMES: dict[str, list[str]] = {}
for option, words in SYNONYMS.items():
    for word in words.split():
        HOMES.setdefault(word, []).append(option)


def find_similar(typed: str, known: Collection[str]) -> str | None:
    """The option among `known` that is spelled most like `typed`; None where none is near."""
    names = {name.lstrip("-"): name for name in known}
    near = difflib.get_close_matches(typed.lstrip("-").replace("_", "-"), names, 1, cutoff=0.7)
    return names[near[0]] if near else None


def find_synonym(typed: str, known: Collection[str]) -> str | None:
    """The option among `known` that means what somebody typed; None where there is none."""
    word = typed.partition("=")[0].lstrip("-").replace("_", "-").lower()
    return next((option for option in HOMES.get(word, ()) if option in known), None)
