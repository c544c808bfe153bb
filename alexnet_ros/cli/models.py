"""``alexnet_ros models``: what is installed, and what a model knows."""

import argparse
from typing import Any

from alexnet_ros.cli.options import MODEL
from alexnet_ros.cli.output import knows, print_error, print_json
from alexnet_ros.errors import AlexnetRosError
from alexnet_ros.model_package import ModelPackage, model_places


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    jobs = parser.add_subparsers(dest='job', required=True, metavar='list|info')
    jobs.add_parser('list', help='the installed model packages')
    info = jobs.add_parser('info', help='classes, files, metrics and origin of one')
    info.add_argument('model', nargs='?', default=MODEL, metavar='M', help='name or folder')
    for job in jobs.choices.values():
        job.add_argument('--json', action='store_true', help='print one JSON object a model')


def run(args: argparse.Namespace) -> int:
    """Print; 1 if one of the listed packages is damaged."""
    if args.job == 'info':
        package = ModelPackage.load(args.model)
        print_json(facts_of(package, classes=True)) if args.json else _print_info(package)
        return 0
    code = 0
    folders = installed_models()
    for folder in folders:
        try:
            package = ModelPackage.load(folder)
        except AlexnetRosError as error:
            print_error('models', f'{folder}: {error}')
            code = 1
            continue
        if args.json:
            print_json(facts_of(package))
        else:
            files = ', '.join(f'{p} {f.bytes / 1e6:.1f} MB' for p, f in package.files.items())
            print(f'{package.name} {package.version}: {knows(package)}; {files}; {folder}')
    if not folders:
        print_error('models', 'no model package is installed; make one with alexnet_ros export')
    return code


def installed_models() -> list[str]:
    """Return the folders of all model packages that commands find by name."""
    files = (file for place in model_places() for file in sorted(place.glob('*/model.yaml')))
    return list(dict.fromkeys(str(file.parent) for file in files))


def facts_of(package: ModelPackage, *, classes: bool = False) -> dict[str, Any]:
    """Return what ``--json`` prints for a package; ``classes`` adds the whole table."""
    found: dict[str, Any] = {
        'name': package.name,
        'version': package.version,
        'folder': str(package.folder),
        'classes': len(package.known_labels),
        'files': {precision: file.bytes for precision, file in package.files.items()},
        'metrics': package.metrics,
        'origin': package.origin,
    }
    if classes:
        found['labels'] = [
            {'class_id': one.class_id, 'name': one.name, 'role': one.role}
            for one in package.labels
        ]
    return found


def _print_info(package: ModelPackage) -> None:
    print(f'{package.name} {package.version}, {package.folder}\n{knows(package)}')
    for title, values in (('metrics', package.metrics), ('origin', package.origin)):
        print(f'\n{title}')
        for key, value in values.items():
            print(f'  {key}: {value}')
    print('\nclasses')
    for label in package.known_labels:
        print(f'  {label.class_id:3d}  {label.name}')
