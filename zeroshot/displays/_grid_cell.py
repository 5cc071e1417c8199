"""Where the parts of a grid of predictions stand, in inches of a page that may be scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zeroshot.displays._checks import share_of
from zeroshot.displays._drawing import GREY, PALE, fit_texts, literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from zeroshot.displays._prediction_grid import PredictionGridDisplay

IMAGE, COLUMN, LINE, PAD, NOTE = 1.15, 1.75, 0.165, 0.14, 0.28
FONT, SMALLEST_FONT = 8.5, 5.0
RIGHT = "#00694D"  # a green as dark as other text, which that of the palette is not in grey


@dataclass(frozen=True)
class Cell:
    """An image, under its true label, beside a column of labels a model.

    Attributes
    ----------
    width, height : float
        In inches, with the space to the next one.
    """

    width: float
    height: float

    @classmethod
    def of(cls, n_models: int, k: int) -> Cell:
        """Return a cell with so many columns of `k` labels."""
        lines = max(IMAGE, (k + 1) * LINE)
        return cls(IMAGE + n_models * COLUMN + 2 * PAD, lines + LINE + 2 * PAD)

    def size(self, n: int, n_columns: int) -> tuple[float, float]:
        """Return width and height of a page with so many cells."""
        return n_columns * self.width + PAD, -(-n // n_columns) * self.height + NOTE + PAD

    def font(self, n: int, n_columns: int, width: float, height: float) -> float:
        """Return the size of letters when that page is scaled to a width and a height."""
        full = self.size(n, n_columns)
        return FONT * min(1.0, width / full[0], height / full[1])

    def most(self, n: int, n_columns: int, width: float, height: float) -> tuple[int, int]:
        """Return how many of `n` cells can be read in a space, at least one, in how many columns.

        The columns are `n_columns`, or fewer where more cells can then be read.
        """
        readable = [
            (count, columns)
            for columns in range(1, n_columns + 1)
            for count in range(1, n + 1)
            if self.font(count, columns, width, height) >= SMALLEST_FONT
        ]
        return max(readable, default=(1, 1))

    def draw(self, display: PredictionGridDisplay, n: int, n_columns: int, font: float) -> None:
        """Draw the first cells of a display on its axes."""
        ax = display.ax_
        box = ax.get_window_extent()
        scale = font / FONT * ax.figure.dpi  # pixels to an inch of the page
        for place in range(n):
            left = PAD + place % n_columns * self.width
            top = NOTE + PAD + place // n_columns * self.height
            self._draw_one(display, place, left, top, font, scale)
        note = f"{share_of(n, display.n_images, 'image')}, best labels first"
        if display.y is not None:
            note += "; a tick marks the true label"
        text = ax.text(PAD, PAD, note, va="top", color=GREY, fontsize=font)
        fit_texts([text], box.width - PAD * scale)
        # Images set limits and aspect of their own.
        ax.set(aspect="auto", xlim=(0, box.width / scale), ylim=(box.height / scale, 0))
        ax.set_axis_off()

    def _draw_one(
        self,
        display: PredictionGridDisplay,
        place: int,
        left: float,
        top: float,
        font: float,
        scale: float,
    ) -> None:
        ax, y = display.ax_, display.y
        if y is not None:
            seen = display.seen_classes
            kind = " (unseen)" if seen is not None and y[place] not in seen else ""
            head = ax.text(left, top, literal(y[place]) + kind, va="top", fontsize=font)
            fit_texts([head], (self.width - PAD) * scale)
        top += LINE * 1.15
        _draw_image(ax, display.images[place], left, top, font)
        for column, (name, labels) in enumerate(display.labels.items()):
            x = left + IMAGE + PAD + column * COLUMN
            texts = [ax.text(x, top, literal(name), va="top", fontsize=font, color=GREY)]
            scores = display.scores.get(name)
            for line, label in enumerate(labels[place].tolist()):
                right = bool(display.right[name][place, line])
                style: dict[str, Any] = {"fontweight": "bold", "color": RIGHT} if right else {}
                at = x, top + (line + 1) * LINE
                shown = literal(label)
                if scores is not None:
                    shown = f"{scores[place, line]:.2f} {shown}"
                if right:
                    shown = f"✓ {shown}"
                texts.append(ax.text(*at, shown, va="top", fontsize=font, **style))
            fit_texts(texts, (COLUMN - 2 * PAD) * scale)


def _draw_image(ax: Axes, image: Any, left: float, top: float, font: float) -> None:
    """Draw an image as large as fits into a square, at its left upper corner."""
    if image is None:
        ax.plot([left, left + IMAGE], [top, top + IMAGE], color=PALE)
        middle = left + IMAGE / 2, top + IMAGE / 2
        ax.text(*middle, "unreadable", ha="center", va="center", fontsize=font)
        return
    height, width = image.shape[:2]
    longest = max(height, width)
    right, bottom = left + IMAGE * width / longest, top + IMAGE * height / longest
    ax.imshow(image, extent=(left, right, bottom, top), aspect="auto")
