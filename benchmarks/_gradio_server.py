"""The servers of `studio_gradio`: Gradio with two functions, and the studio with a task of text.

Gradio's runs with the Python of an environment that has Gradio.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smalti.web.worker import Order, Outcome, Update

TOKENS, TOKEN_SECONDS = 100, 0.05
"""5 s of text, as in Gradio's pull request 7670."""
WORD = "tessera "


async def tell() -> AsyncIterator[str]:
    """A text that grows by a word at a time."""
    for k in range(TOKENS):
        await asyncio.sleep(TOKEN_SECONDS)
        yield WORD * (k + 1)


class TextSlot:
    """Runs the text in the studio's own process, as Gradio does."""

    async def warm_up(self) -> None: ...

    async def run(self, order: Order, on_update: Callable[[Update], None]) -> Outcome:
        from smalti.core.progress import Progress
        from smalti.web.worker import Outcome, Update

        k, text = 0, ""
        async for text in tell():
            k += 1
            on_update(Update(Progress("telling", k, TOKENS, text), k / TOKENS))
        return Outcome("done", {"text": text})

    def cancel(self) -> None: ...
    def kill(self) -> None: ...
    def close(self, seconds: float) -> None: ...


def serve_gradio(port: int, packages: list[str]) -> None:
    """Serve `tell` to any number at once, and `draw` to one at a time, as the studio does."""
    import gradio  # pyright: ignore[reportMissingImports]

    sys.path.extend(packages)  # behind Gradio's own, for smalti and PyTorch
    import smalti

    model = smalti.load("ddpm-digits")

    def draw(seed: float) -> object:
        drawn = smalti.draw_samples(model, 1, seed=int(seed), sampler={"steps": 1})
        return smalti.core.pictures.to_image(drawn.pictures[0])

    draw(0)
    with gradio.Blocks() as page:
        seed, picture, text = gradio.Number(), gradio.Image(format="png"), gradio.Textbox()
        gradio.Button().click(tell, None, text, concurrency_limit=None)
        gradio.Button().click(draw, seed, picture, concurrency_limit=1)
    page.queue(max_size=None)
    page.launch(server_name="127.0.0.1", server_port=port, prevent_thread_lock=True, quiet=True)
    names = [one["id"] for one in page.config["dependencies"]]
    print(f"functions {names[0]} {names[1]}", flush=True)
    page.block_thread()


def serve_text(port: int) -> None:
    """Serve `tell` as a task of a studio with a slot for every client; its own slots draw."""
    import tempfile

    from smalti.web.registry import Page, WebTask
    from smalti.web.security import Access
    from smalti.web.server import listen, run_server
    from smalti.web.studio import Studio

    task = WebTask(f"{__name__}:tell")
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(folder, models=("ddpm-digits",), pages=[Page("tell", 0, (task,))])
        studio.queue.slots = tuple(TextSlot() for _ in range(1000))  # pyright: ignore
        studio.queue.idle = [*studio.queue.slots]
        listener = listen("127.0.0.1", port)
        at = listener.getsockname()[1]
        run_server(studio, listener, Access(), lambda: print(f"port {at}", flush=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kind", choices=["gradio", "text"])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--packages", nargs="*", default=[])
    options = parser.parse_args()
    if options.kind == "gradio":
        serve_gradio(options.port, options.packages)
    else:
        serve_text(options.port)


if __name__ == "__main__":
    main()
