"""Detections as Foxglove's image annotations: boxes and names over the camera's picture."""

from typing import Any

from alexnet_ros.bags.typestore import typestore
from alexnet_ros.bags.writer import header
from alexnet_ros.overlay import TEXT, caption, colour_of
from alexnet_ros.records import Recognition

ANNOTATIONS = 'foxglove_msgs/msg/ImageAnnotations'
LINE_LOOP = 2  # foxglove_msgs/PointsAnnotation
FONT_PX = 14.0


def annotations_message(recognition: Recognition) -> Any:
    """Return a box and a caption for each detection, in the colours of the overlay."""
    types = typestore().types
    stamp = header(recognition.stamp_ns, '').stamp
    points, texts = [], []

    def point(x: float, y: float) -> Any:
        return types['foxglove_msgs/msg/Point2'](x=float(x), y=float(y))

    def colour(rgb: tuple[int, int, int], opacity: float = 1.0) -> Any:
        red, green, blue = (value / 255 for value in rgb)
        return types['foxglove_msgs/msg/Color'](r=red, g=green, b=blue, a=opacity)

    for found in recognition.detections:
        x, y, width, height = found.bbox_xywh
        rgb = colour_of(found)
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        points.append(
            types['foxglove_msgs/msg/PointsAnnotation'](
                timestamp=stamp,
                type=LINE_LOOP,
                points=[point(*corner) for corner in corners],
                outline_color=colour(rgb),
                outline_colors=[],
                fill_color=colour(rgb, 0.0),
                thickness=2.0,
            )
        )
        texts.append(
            types['foxglove_msgs/msg/TextAnnotation'](
                timestamp=stamp,
                position=point(x, y - 3),
                text=caption(found),
                font_size=FONT_PX,
                text_color=colour(TEXT),
                background_color=colour(rgb),
            )
        )
    return types[ANNOTATIONS](circles=[], points=points, texts=texts)
