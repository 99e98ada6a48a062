"""Drawing pictures in memory, and where their words are."""

import itertools
from unittest.mock import patch

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

PIXEL = 1.0


def drawn(figure):
    """Draw all of a figure, in memory."""
    FigureCanvasAgg(figure).draw()
    return figure


def written(shown):
    """All that a display says, drawn or not."""
    texts = [text for text in shown.figure_.findobj(Text) if text.get_visible()]
    return [text.get_text() for text in texts if text.get_text()]


def drawn_texts(figure):
    """Draw a figure; return the texts that were drawn."""
    seen, draw = {}, Text.draw

    def recorded(text, renderer):
        if text.get_visible() and text.get_text().strip():
            seen[text] = None
        draw(text, renderer)

    with patch.object(Text, "draw", recorded):
        drawn(figure)
    return list(seen)


def boxes(texts):
    """What texts say, and where."""
    return [(text.get_text(), text.get_window_extent()) for text in texts]


def words(figure):
    """Draw a figure; return what is written in it, and where."""
    return boxes(drawn_texts(figure))


def legends(artist):
    """The legends in a figure or in axes, and where they are."""
    return [(str(legend), legend.get_window_extent()) for legend in artist.findobj(Legend)]


def assert_apart(found):
    for (one, a), (other, b) in itertools.combinations(found, 2):
        shared = Bbox.intersection(a, b)
        if shared is not None:
            assert min(shared.width, shared.height) < PIXEL, (one, other)


def assert_inside(found, page):
    for text, box in found:
        assert page.x0 - PIXEL <= box.x0 < box.x1 <= page.x1 + PIXEL, text
        assert page.y0 - PIXEL <= box.y0 < box.y1 <= page.y1 + PIXEL, text
