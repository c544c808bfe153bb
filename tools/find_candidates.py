"""What a model's finder takes for signs, and how sure its classifier is of them."""

from collections.abc import Mapping

from alexnet_ros.config import RecognizerSettings, settings_from_mapping
from alexnet_ros.postprocess import classifications_from_logits
from alexnet_ros.preprocess import batch_from_regions
from alexnet_ros.recognizer import Recognizer
from tools.sign_text import Image


def found_in(
    frames: Mapping[str, Image], model: str, least: float
) -> dict[str, list[list[float]]]:
    """
    Return the finder's boxes of each frame: x, y, width, height and how known each looks.

    :param least: candidate score.
    """
    wanted = {'regions': 'signs', 'min_candidate_score': least, 'max_regions': 64}
    settings = settings_from_mapping(RecognizerSettings, wanted)
    found = {}
    with Recognizer.open(model, backend='cpu', settings=settings) as recognizer:
        package = recognizer.package
        for name, frame in frames.items():
            regions = recognizer.finder.find([frame], settings.finder)[0]
            batch = batch_from_regions([(frame, region) for region in regions], package.input)
            told = []
            if regions:
                logits = recognizer.engine.infer(batch).logits
                told = classifications_from_logits(logits, package.labels, package.scores)[0]
            found[name] = [
                [*(round(v, 1) for v in region.bbox_xywh), round(one.results[0].score, 3)]
                for region, one in zip(regions, told, strict=True)
            ]
    return found
