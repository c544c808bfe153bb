"""Where model folders lie."""

import os
from pathlib import Path

from alexnet_ros.errors import ModelPackageError
from alexnet_ros.files import share_folders

MODELS_VARIABLE = 'ALEXNET_ROS_MODELS'
RAW = ('.onnx', '.pth', '.pt', '.tar', '.safetensors')  # what ``export`` takes


def find_package(name_or_path: str | Path) -> Path:
    """
    Return the folder of a model.

    A path is taken as it is. A bare name is looked for in the folders of
    ``ALEXNET_ROS_MODELS``, in ``models/`` beside the source package, in
    ``share/alexnet_ros/models`` of every installed prefix, and last in the
    working directory.

    :returns: the folder in which ``model.yaml`` really lies; a link to it, as
        ``colcon build --symlink-install`` makes, is followed once and here.
    :raises ModelPackageError: nothing found; the message tells where it looked.
    """
    text = os.fspath(name_or_path)
    if not text or '\0' in text:
        raise ModelPackageError(f'model must be a name or a folder, got {text!r}')
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:  # ~nobody
        raise ModelPackageError(f'model {text!r}: {error}') from error
    if path.name == 'model.yaml':
        path = path.parent
    bare = os.sep not in text and text not in {'.', '..'}
    places = [place / path for place in model_places()] if bare else []
    for place in [*places, path]:
        if _is_there(place / 'model.yaml'):
            return (place / 'model.yaml').resolve().parent
    if path.suffix in RAW and _is_there(path):
        raise ModelPackageError(
            f'{text} is not a model package; make one: alexnet_ros export '
            f'{"--onnx " if path.suffix == ".onnx" else ""}{text} --output models/NAME'
        )
    if bare:
        known = sorted({f.parent.name for p in model_places() for f in p.glob('*/model.yaml')})
        looked = ', '.join(str(place.parent) for place in [*places, path.absolute()])
        raise ModelPackageError(
            f'model {text!r} not found; available: {", ".join(known) or "none"}; '
            f'looked in {looked}; give a folder or set {MODELS_VARIABLE}'
        )
    raise ModelPackageError(
        f'{path / "model.yaml"} does not exist or may not be read; give the folder of a model'
    )


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be entered, a name that is too long
        return False


def model_places() -> list[Path]:
    """Return the folders that may hold models, the first to be asked first."""
    own = [Path(word) for word in os.environ.get(MODELS_VARIABLE, '').split(os.pathsep) if word]
    return [*own, *(folder / 'models' for folder in share_folders())]
