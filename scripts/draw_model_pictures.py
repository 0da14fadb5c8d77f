"""Draw the pictures of shipped models that the studio's table of numbers shows.

python scripts/draw_model_pictures.py                those that are missing or of older weights
python scripts/draw_model_pictures.py ddpm-digits    these
"""

from __future__ import annotations

import sys

from smalti.tasks import list_models
from smalti.tasks.model_pictures import draw_model_picture, find_model_picture


def main() -> None:
    names = [model.name for model in list_models().models]
    for name in sys.argv[1:] or [name for name in names if find_model_picture(name) is None]:
        print(name, draw_model_picture(name) or "makes no pictures", flush=True)


if __name__ == "__main__":
    main()
