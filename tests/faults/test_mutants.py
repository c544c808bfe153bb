"""The breakages of ``make faults-prove`` fit the package, and no case is without one."""

import importlib.util
import sys
from types import ModuleType

import pytest

from tests.faults.elsewhere import FILES
from tests.faults.mutants import MUTANTS, Mutant
from tests.ros.robot import ROOT


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location('prove', ROOT / 'tools' / 'prove_faults.py')
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules['prove'] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('mutant', MUTANTS, ids=lambda one: one.what)
def test_breakage_fits_the_package(tool: ModuleType, mutant: Mutant) -> None:
    assert tool.fault_of(mutant) == ''
    assert mutant.new != mutant.old


def test_every_case_has_a_breakage_that_it_must_notice(tool: ModuleType) -> None:
    known, why = tool.run_tests(ROOT, ['--collect-only', 'tests/faults', *FILES])
    assert known, why
    cases = {case for _, own in known.values() for case in own}
    nodes = {node for one in MUTANTS for node in tool.nodes_of(one, known)}
    noticed = {case for node in nodes for case in known[node][1]}
    assert sorted(cases - noticed) == []
