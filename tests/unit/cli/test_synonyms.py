"""A wrong option's suggestion is the right one, for what people type elsewhere."""

from __future__ import annotations

import pytest

from smalti.cli import main

# the commonest spellings of diffusers' examples, torch scripts and Hugging Face's Trainer
SPELLINGS = [
    # diffusers: train_unconditional.py, pipelines
    ("train ddpm", "--train_batch_size", "--batch-size"),
    ("train ddpm", "--num_epochs", "--epochs"),
    ("train ddpm", "--output_dir", "--out"),
    ("train ddpm", "--resolution", "--size"),
    ("train ddpm", "--train_data_dir", "--data"),
    ("train ddpm", "--gradient_accumulation_steps", "--accumulate"),
    ("train ddpm", "--lr_warmup_steps", "--warmup"),
    ("train ddpm", "--mixed_precision", "--precision"),
    ("train ddpm", "--checkpointing_steps", "--save-every"),
    ("train ddpm", "--resume_from_checkpoint", "--resume"),
    ("train ddpm", "--random_flip", "--flip"),
    ("train ddpm", "--prediction_type", "--model.prediction"),
    ("train ddpm", "--ddpm_num_steps", "--steps"),
    ("train ddpm", "--ddpm_beta_schedule", "--model.schedule"),
    ("sample ddpm-digits", "--num_inference_steps", "--steps"),
    ("sample ddpm-digits", "--guidance_scale", "--guidance"),
    ("sample ddpm-digits", "--num_images_per_prompt", "--num"),
    ("sample ddpm-digits", "--scheduler", "--sampler"),
    ("sample pixelcnnpp-emoji", "--prompt", "--text"),
    # torch's own examples
    ("train ddpm", "--bs", "--batch-size"),
    ("train ddpm", "--epoch", "--epochs"),
    ("train ddpm", "--n_epochs", "--epochs"),
    ("train ddpm", "--clip_grad_norm", "--max-grad-norm"),
    ("train ddpm", "--gpus", "--devices"),
    ("train ddpm", "--save_dir", "--out"),
    ("train ddpm", "--dataset", "--data"),
    ("train ddpm", "--image_size", "--size"),
    ("sample ddpm-digits", "--n_samples", "--num"),
    ("sample ddpm-digits", "--cfg_scale", "--guidance"),
    ("sample ddpm-digits", "--ddim_steps", "--steps"),
    ("sample ddpm-digits", "--outdir", "--out"),
    ("sample ddpm-digits", "--label", "--class"),
    # Hugging Face's Trainer and generate
    ("train ddpm", "--per_device_train_batch_size", "--batch-size"),
    ("train ddpm", "--num_train_epochs", "--epochs"),
    ("train ddpm", "--max_steps", "--steps"),
    ("train ddpm", "--warmup_steps", "--warmup"),
    ("train ddpm", "--save_steps", "--save-every"),
    ("train ddpm", "--fp16", "--precision"),
    ("train ddpm", "--dataset_name", "--data"),
    ("train ddpm", "--model_name_or_path", "--start"),
    ("train ddpm", "--torch_compile", "--compile"),
    ("translate en-zh-help", "--num_beams", "--beam-size"),
    ("translate en-zh-help", "--num_return_sequences", "--n-best"),
    ("pack photos", "--grayscale", "--color"),
]


@pytest.mark.parametrize(("words", "typed", "meant"), SPELLINGS)
def test_the_suggestion_is_the_option_that_is_meant(
    words: str, typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for spelling in (typed, typed.replace("_", "-")):
        assert main([*words.split(), spelling, "1"]) == 2
        assert f"did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--lr 0", "--learning_rate 0", "--batch_size 0", "--epochs 0"])
def test_other_names_of_an_option_are_taken(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "ddpm", *option.split()]) == 2
    assert ("unknown" not in (said := capsys.readouterr().err) and "give more than 0" in said) or (
        "give 1 or more" in said
    )


def test_a_name_that_is_like_none_has_no_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "ddpm", "--foo", "2"]) == 2
    assert capsys.readouterr().err.strip().endswith("see `smalti train --help`")
