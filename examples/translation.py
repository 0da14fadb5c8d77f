"""Translation: English to Chinese, offline.  Needs `pip install 'smalti[translate]'`."""

import smalti

texts = ["Save the file first.", "Press %s to open the Settings window."]
for text, (best, *_) in zip(texts, smalti.translate("en-zh-help", texts), strict=True):
    print(f"{text}\n  {best.text}")

# A glossary decides how terms are translated.
(found,) = smalti.translate("en-zh-help", "Open the canvas.", glossary={"canvas": "画板"})
print(found[0].text)

# Several translations, best first, with their scores.
for option in smalti.translate("en-zh-help", "Close the window.", n_best=3)[0]:
    print(f"{option.score:6.2f}  {option.text}")
