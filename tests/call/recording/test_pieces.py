"""The queue of pieces: two channels side by side."""

from __future__ import annotations

import numpy as np

from audiosocket_cli.call.recording.pieces import MIN_SILENCE, Pieces, interleaved, joined


def test_pieces_of_two_channels_are_taken_side_by_side() -> None:
    first, second = Pieces(), Pieces()
    one = np.arange(1, 101, dtype=np.int16)
    first.put(one)
    first.put_silence(MIN_SILENCE * 2)
    second.put_silence(50)
    second.put(one)
    second.put_silence(MIN_SILENCE * 3)
    pieces = list(joined(interleaved([first, second])))
    assert [piece if isinstance(piece, int) else piece.shape for piece in pieces] == [(150, 2), MIN_SILENCE * 2 - 50]
    assert pieces[0][:100, 0].tolist() == one.tolist()
    assert pieces[0][50:, 1].tolist() == one.tolist()
    assert not pieces[0][100:, 0].any()
    assert (first.length, second.length) == (0, MIN_SILENCE + 50)
    assert list(joined(interleaved([first, second], final=True))) == [MIN_SILENCE + 50]
