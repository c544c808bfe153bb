"""Breakages of decoding, checking and judging images."""

from tests.faults.mutants.mutant import COMPRESSED, CONTENT, RAW, broken

IMAGES = [
    broken(
        'raw image', 'the data length is not checked', 'codec/raw.py',
        'if len(data) < step * rows:', 'if False:',
        f'{RAW}::test_malformed_image_is_refused[short data]'),
    broken(
        'raw image', 'the step is not checked', 'codec/raw.py', 'if step < row:', 'if False:',
        f'{RAW}::test_malformed_image_is_refused[step below one row]'),
    broken(
        'raw image', 'rows are taken to have no padding', 'codec/raw.py',
        'strides = (step, 1) if kind.channels == 1 else (step, kind.channels, 1)',
        'strides = (row, 1) if kind.channels == 1 else (row, kind.channels, 1)',
        f'{RAW}::test_unusual_layout_is_decoded_exactly[padded step]'),
    broken(
        'raw image', 'byte order is ignored', 'codec/raw.py',
        "order = '>u2' if message.is_bigendian else '<u2'", "order = '<u2'",
        f'{RAW}::test_unusual_layout_is_decoded_exactly[big-endian mono16]'),
    broken(
        'raw image', 'the size is not limited', 'codec/limits.py',
        'if wide > MAX_SIDE or high > MAX_SIDE or wide * high > max_pixels:', 'if False:',
        f'{RAW}::test_malformed_image_is_refused[2^32-1 by 2^32-1]'),
    broken(
        'raw image', 'a depth image is taken for grey', 'codec/raw.py',
        '    if is_depth(name):\n        raise', "    if is_depth(name):\n"
        "        return _TABLE['mono16']\n        raise",
        f'{RAW}::test_malformed_image_is_refused[depth 16UC1]'),
    broken(
        'raw image', 'Bayer red and blue are swapped', 'codec/raw.py',
        "'bayer_rggb8': _Encoding(1, cv2.COLOR_BayerBG2RGB", "'bayer_rggb8': "
        "_Encoding(1, cv2.COLOR_BayerRG2RGB",
        f'{RAW}::test_unusual_layout_is_decoded_exactly[bayer_rggb8]'),
    broken(
        'compressed', 'the header is not checked before decoding', 'codec/compressed.py',
        'checked_size(header.width, header.height, max_pixels)', 'pass',
        f'{COMPRESSED}::test_png_bomb_is_refused_and_takes_no_memory'),
    broken(
        'compressed', 'the end of a JPEG is not looked for', 'codec/headers.py',
        'if not _ends(data, at):', 'if False:',
        f'{COMPRESSED}::test_damaged_picture_is_refused[half a JPEG after a good one]'),
    broken(
        'compressed', 'the format is not compared with the data', 'codec/compressed.py',
        'if kind != wanted:', 'if False:',
        f'{COMPRESSED}::test_damaged_picture_is_refused[format says png]'),
    broken(
        'compressed', 'an error of OpenCV is let through', 'ros/pipeline.py',
        'except ImageFormatError as error:\n            self._reject',
        'except ZeroDivisionError as error:\n            self._reject',
        f'{COMPRESSED}::test_damaged_picture_is_refused[empty]'),
    broken(
        'compressed', 'pixels of an earlier picture come again', 'codec/compressed.py',
        "raise ImageFormatError('undecodable', f'damaged {kind} data')",
        "raise ImageFormatError('undecodable', f'damaged {kind} data')\n"
        "    first = _decoded.__dict__.setdefault('first', image)\n"
        "    image = first if first.shape == image.shape else image",
        f'{COMPRESSED}::test_no_pixel_of_an_earlier_frame_is_seen'),
    broken(
        'content', 'logits are not checked', 'postprocess.py',
        'if not np.isfinite(logits).all():', 'if False:',
        f'{CONTENT}::test_logits_that_are_not_finite_are_an_error[NaN]'),
    broken(
        'content', 'unknown results are published', 'postprocess.py',
        'unknown |= best[:, 0] < least', 'pass',
        f'{CONTENT}::test_what_is_unknown_changes_nothing[black]'),
]  # fmt: skip
