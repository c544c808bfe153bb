"""The node's topics, written beside the bag that they come from."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from alexnet_ros.bags import messages
from alexnet_ros.bags.messages import annotations_message
from alexnet_ros.bags.writer import BagWriter, header, qos
from alexnet_ros.files import write_error
from alexnet_ros.model_package import ModelPackage
from alexnet_ros.navigation.offline import NavigatorOutput
from alexnet_ros.records import Recognition

NODE = '/alexnet'


class ResultsWriter:
    """Writes ``results.mcap``: the same bag and model give the same bytes."""

    def __init__(self, folder: Path, cameras: Iterable[str]) -> None:
        self.path = folder / 'results.mcap'
        self._scratch = folder / '.results'
        shutil.rmtree(self._scratch, ignore_errors=True)
        # The folder's name stands inside the file; it must not depend on the place.
        self._bag = BagWriter(self._scratch / 'results')
        self._cameras = list(cameras)
        self._closed = False
        for camera in self._cameras:
            own = self._own(camera)
            self._bag.add_topic(
                f'{own}/label_info', messages.LABEL_INFO, qos(latched=True, depth=1)
            )
            self._bag.add_topic(f'{own}/classification', messages.CLASSIFICATION)
            self._bag.add_topic(f'{own}/detections', messages.DETECTIONS)

    @staticmethod
    def _own(camera: str) -> str:
        return f'{NODE}/{camera}' if camera else NODE

    def write_labels(self, package: ModelPackage, log_ns: int, threshold: float) -> None:
        """Write the latched class names of every camera; call first."""
        for camera in self._cameras:
            message = messages.label_info_message(header(log_ns, ''), package, threshold)
            self._bag.write(f'{self._own(camera)}/label_info', message, log_ns)

    def write(self, recognition: Recognition, frame_id: str, log_ns: int) -> None:
        """Write what one frame gave, at the bag's time of its image."""
        own, head = self._own(recognition.camera), header(recognition.stamp_ns, frame_id)
        self._bag.write(
            f'{own}/classification', messages.classification_message(head, recognition), log_ns
        )
        self._bag.write(
            f'{own}/detections', messages.detections_message(head, recognition), log_ns
        )
        self._bag.write(f'{own}/annotations', annotations_message(recognition), log_ns)

    def write_told(self, told: Iterable[NavigatorOutput]) -> None:
        """Write the navigator's topics, told in the bag's time."""
        self._bag.add_topic('/speed_limit', messages.SPEED_LIMIT)
        self._bag.add_topic('/stop_lock', messages.BOOL)
        for one in told:
            if one.limit_mps is not None:
                message = messages.speed_limit_message(one.at_ns, one.limit_mps)
                self._bag.write('/speed_limit', message, one.at_ns)
            self._bag.write('/stop_lock', messages.bool_message(one.stop_lock), one.at_ns)

    def close(self, *, keep: bool = True) -> None:
        """Finish the file; without ``keep`` throw it away, so that an older one stands."""
        if self._closed:
            return
        self._closed = True
        try:
            if keep:
                self._bag.close()
                (self._scratch / 'results/results.mcap').replace(self.path)
        except OSError as error:
            raise write_error(self.path, error) from error
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)
