"""Evaluation of translators: BLEU, chrF, token accuracy, placeholders and speed."""
