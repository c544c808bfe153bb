"""
The model folder: ``model.yaml`` and the files that it lists.

Everything is checked before anything is loaded: names that stay inside the
folder, sizes, SHA-256 hashes, label count, the graph's inputs and outputs, and
that no weight lies in another file.
"""

from alexnet_ros.model_package.find import MODELS_VARIABLE, find_package, model_places
from alexnet_ros.model_package.package import FEATURES, FinderPackage, ModelPackage
from alexnet_ros.model_package.specs import PRECISIONS, InputSpec, ModelFile, ScoreSpec
from alexnet_ros.model_package.write import write_package

__all__ = [
    'FEATURES',
    'MODELS_VARIABLE',
    'PRECISIONS',
    'FinderPackage',
    'InputSpec',
    'ModelFile',
    'ModelPackage',
    'ScoreSpec',
    'find_package',
    'model_places',
    'write_package',
]
