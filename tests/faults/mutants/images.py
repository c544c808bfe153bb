"""Breakages of decoding, checking and judging images."""

from tests.faults.mutants.mutant import COMPRESSED, CONTENT, RAW, broken, each

REFUSED = f'{RAW}::test_malformed_image_is_refused'
EXACT = f'{RAW}::test_unusual_layout_is_decoded_exactly'
DAMAGED = f'{COMPRESSED}::test_damaged_picture_is_refused'

IMAGES = [
    broken(
        'raw image', 'the data length is not checked', 'codec/raw.py',
        'if len(data) < step * rows:', 'if False:',
        *each(REFUSED, 'short data', 'one byte short', 'empty data')),
    broken(
        'raw image', 'the chroma rows of NV12 are forgotten', 'codec/raw.py',
        "'nv12': _Encoding(1, cv2.COLOR_YUV2RGB_NV12, even='wh', planes=3)",
        "'nv12': _Encoding(1, cv2.COLOR_YUV2RGB_NV12, even='wh')",
        *each(REFUSED, 'NV12 without its chroma'), *each(EXACT, 'nv12')),
    broken(
        'raw image', 'the step is not checked', 'codec/raw.py', 'if step < row:', 'if False:',
        *each(REFUSED, 'step below one row', 'step 0')),
    broken(
        'raw image', 'a size of 0 is taken', 'codec/limits.py', 'if wide < 1 or high < 1:',
        'if False:', *each(REFUSED, 'zero width', 'zero height'),
        *each(DAMAGED, 'JPEG of height 0')),
    broken(
        'raw image', 'the size is not limited', 'codec/limits.py',
        'if wide > MAX_SIDE or high > MAX_SIDE or wide * high > max_pixels:', 'if False:',
        *each(REFUSED, '2^32-1 by 2^32-1', '1 by 2^32-1')),
    broken(
        'raw image', 'an unknown encoding is taken for RGB', 'codec/raw.py',
        "    raise ImageFormatError(\n        'unknown_encoding'",
        "    if True:\n        return _TABLE['rgb8']\n"
        "    raise ImageFormatError(\n        'unknown_encoding'",
        *each(REFUSED, 'unknown encoding', 'no encoding')),
    broken(
        'raw image', 'a depth image is taken for grey', 'codec/raw.py',
        '    if is_depth(name):\n        raise', "    if is_depth(name):\n"
        "        return _TABLE['mono16']\n        raise",
        *each(REFUSED, 'depth 16UC1', 'depth 32FC1')),
    broken(
        'raw image', 'odd sides are taken', 'codec/raw.py',
        'if side in kind.even and length % 2:', 'if False:',
        *each(REFUSED, 'Bayer of odd width', 'YUV of odd width')),
    broken(
        'raw image', 'rows are taken to have no padding', 'codec/raw.py',
        'strides = (step, 1) if kind.channels == 1 else (step, kind.channels, 1)',
        'strides = (row, 1) if kind.channels == 1 else (row, kind.channels, 1)',
        *each(EXACT, 'padded step', 'bgra8 padded')),
    broken(
        'raw image', 'BGR is taken for RGB', 'codec/raw.py',
        "'bgr8': _Encoding(3, cv2.COLOR_BGR2RGB)", "'bgr8': _Encoding(3, None)",
        *each(EXACT, 'bgr8')),
    broken(
        'raw image', 'the bytes of mono16 are always little-endian', 'codec/raw.py',
        "order = '>u2' if message.is_bigendian else '<u2'", "order = '<u2'",
        *each(EXACT, 'big-endian mono16')),
    broken(
        'raw image', 'the bytes of mono16 are always big-endian', 'codec/raw.py',
        "order = '>u2' if message.is_bigendian else '<u2'", "order = '>u2'",
        *each(EXACT, 'little-endian mono16')),
    broken(
        'raw image', "OpenCV's names of Bayer patterns are taken at their word", 'codec/raw.py',
        """    'bayer_rggb8': _Encoding(1, cv2.COLOR_BayerBG2RGB, even='wh'),
    'bayer_bggr8': _Encoding(1, cv2.COLOR_BayerRG2RGB, even='wh'),
    'bayer_gbrg8': _Encoding(1, cv2.COLOR_BayerGR2RGB, even='wh'),
    'bayer_grbg8': _Encoding(1, cv2.COLOR_BayerGB2RGB, even='wh'),
""",
        """    'bayer_rggb8': _Encoding(1, cv2.COLOR_BayerRG2RGB, even='wh'),
    'bayer_bggr8': _Encoding(1, cv2.COLOR_BayerBG2RGB, even='wh'),
    'bayer_gbrg8': _Encoding(1, cv2.COLOR_BayerGB2RGB, even='wh'),
    'bayer_grbg8': _Encoding(1, cv2.COLOR_BayerGR2RGB, even='wh'),
""",
        *each(EXACT, 'bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8', 'bayer_grbg8')),
    broken(
        'raw image', 'packed YUV is read in the wrong order', 'codec/raw.py',
        "_UYVY = _Encoding(2, cv2.COLOR_YUV2RGB_UYVY, even='w')\n"
        "_YUYV = _Encoding(2, cv2.COLOR_YUV2RGB_YUY2, even='w')",
        "_UYVY = _Encoding(2, cv2.COLOR_YUV2RGB_YUY2, even='w')\n"
        "_YUYV = _Encoding(2, cv2.COLOR_YUV2RGB_UYVY, even='w')",
        *each(EXACT, 'uyvy', 'yuv422_yuy2')),
    broken(
        'compressed', 'the header is not checked before decoding', 'codec/compressed.py',
        'checked_size(header.width, header.height, max_pixels)', 'pass',
        *each(DAMAGED, 'JPEG that claims 65500 x 65500'),
        f'{COMPRESSED}::test_png_bomb_is_refused_and_takes_no_memory'),
    broken(
        'compressed', 'the end of a JPEG is not looked for', 'codec/headers.py',
        'if not _ends(data, at):', 'if False:',
        *each(DAMAGED, 'half a JPEG after a good one', 'JPEG without its last byte')),
    broken(
        'compressed', "the end of a JPEG's header is not looked for", 'codec/headers.py',
        'if at + 4 > len(data):', 'if False:', *each(DAMAGED, 'random behind a JPEG start')),
    broken(
        'compressed', 'the end of a PNG is not asked for', 'codec/headers.py',
        'raise _truncated("PNG\'s end (IEND)")', 'break', *each(DAMAGED, 'half a PNG')),
    broken(
        'compressed', 'the format is not compared with the data', 'codec/compressed.py',
        'if kind != wanted:', 'if False:', *each(DAMAGED, 'format says png', 'random')),
    broken(
        'compressed', 'an unknown format is taken for JPEG', 'codec/compressed.py',
        'if len(kinds) != 1:', "if not kinds:\n        return 'jpeg'\n    if len(kinds) != 1:",
        *each(DAMAGED, 'format of another codec', 'no format')),
    broken(
        'compressed', 'distances are taken for colours', 'codec/compressed.py',
        "if 'compresseddepth' in words or is_depth(encoding):", 'if False:',
        *each(DAMAGED, 'compressed depth')),
    broken(
        'compressed', 'a refusal is taken for an unforeseen error', 'ros/pipeline.py',
        'except ImageFormatError as error:\n            self._reject',
        'except ZeroDivisionError as error:\n            self._reject',
        *each(DAMAGED, 'empty'), f'{COMPRESSED}::test_flipped_bits_are_survived'),
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
        f'{CONTENT}::test_logits_that_are_not_finite_are_an_error'),
    broken(
        'content', 'unknown results are published', 'postprocess.py',
        'unknown |= best[:, 0] < least', 'pass',
        f'{CONTENT}::test_what_is_unknown_changes_nothing'),
    broken(
        'content', 'the background is no class of the softmax', 'postprocess.py',
        '    log_probs = log_probabilities(logits, scores.temperature)\n',
        '    none = np.arange(logits.shape[1]) == scores.unknown_class_id\n'
        '    logits = np.where(none, -1e4, logits).astype(np.float32)\n'
        '    log_probs = log_probabilities(logits, scores.temperature)\n',
        'tests/faults/test_foreign_signs.py::test_foreign_signs_change_nothing'),
]  # fmt: skip
