"""What an effect is shown around a face: visible samples only, counted out sample by sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamer.anonymize.surroundings import Visible
from streamer.anonymize.zones import NO_ZONES, ZoneOptions
from streamer.core.picture import Format, Picture

NOWHERE = (0, 0, 0, 0)


def chance(width: int, height: int, format: Format = "i420") -> Picture:
    picture = Picture.blank(width, height, format=format)
    picture.buffer[:] = np.random.default_rng(1).integers(0, 256, picture.buffer.shape, dtype=np.uint8)
    return picture.frozen()


@pytest.mark.parametrize("format", ["i420", "bgrp"])
@pytest.mark.parametrize("at", [(0, 0), (20, 12), (-14, -6), (70, 50), (-400, 0)])
@pytest.mark.parametrize("cell_px", [2, 4, 6, 12])
def test_cells_are_averages_of_visible_samples(format: Format, at: tuple[int, int], cell_px: int) -> None:
    picture = chance(101, 75, format)
    hidden, without = [(10, 8, 36, 40), (30, 30, 60, 44)], (60, 4, 72, 20)
    columns, rows = 6, 5
    cells = Visible(picture, hidden, NO_ZONES).cells(at, columns, rows, cell_px, without=without)
    seen = np.zeros((75, 101), bool)
    seen[:74, :100] = True  # a last odd row and column fill no place
    for x0, y0, x1, y1 in [*hidden, without]:
        seen[y0:y1, x0:x1] = False
    whole = np.stack([plane[:75, :101] for plane in picture.planes[: 1 if format == "i420" else 3]]).astype(float)
    luma = whole[0] if format == "i420" else np.tensordot([0.114, 0.587, 0.299], whole, axes=1)
    for index, plane in enumerate((luma, np.full_like(luma, 255))):
        values = plane * seen
        for row in range(rows):
            for column in range(columns):
                x, y = at[0] + column * cell_px, at[1] + row * cell_px
                part = values[max(0, y) : max(0, y + cell_px), max(0, x) : max(0, x + cell_px)]
                expected = part.sum() / cell_px**2
                assert abs(int(cells[index, row, column]) - expected) <= 2, (index, row, column)


def test_zones_and_transparent_parts_are_not_visible() -> None:
    picture = chance(80, 60, "bgrp")
    opacity = np.full((60, 80), 255, np.uint8)
    opacity[:20, :20] = 254
    zones = ZoneOptions(cover=(((0.5, 0.5), (1, 0.5), (1, 1), (0.5, 1)),))
    cells = Visible(replace(picture, alpha=opacity), [], zones).cells((0, 0), 4, 3, 20, without=NOWHERE)
    assert not cells[:, 0, 0].any()
    assert not cells[:, 2, 2:].any()
    assert (cells[-1, 0, 1:] == 255).all()


def test_nothing_is_visible_of_a_picture_that_is_all_face() -> None:
    cells = Visible(chance(64, 48), [(0, 0, 64, 48)], NO_ZONES).cells((-8, -8), 5, 4, 16, without=NOWHERE)
    assert not cells.any()


@pytest.mark.parametrize(("at", "cell_px"), [((1, 0), 4), ((0, 3), 4), ((0, 0), 3), ((0, 0), 0)])
def test_a_grid_off_the_even_pixels_is_refused(at: tuple[int, int], cell_px: int) -> None:
    with pytest.raises(ValueError, match="even pixels"):
        Visible(chance(64, 48), [], NO_ZONES).cells(at, 4, 4, cell_px, without=NOWHERE)
