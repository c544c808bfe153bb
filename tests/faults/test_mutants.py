"""The breakages of ``make faults-prove`` fit the package, and no case is without one."""

import pytest

from tests.faults.elsewhere import FILES
from tests.faults.mutants import MUTANTS, Mutant
from tests.ros.robot import ROOT
from tools import prove_faults


@pytest.mark.parametrize('mutant', MUTANTS, ids=lambda one: one.what)
def test_breakage_fits_the_package(mutant: Mutant) -> None:
    assert prove_faults.fault_of(mutant) == ''
    assert mutant.new != mutant.old


def test_every_case_has_a_breakage_that_it_must_notice() -> None:
    known, why = prove_faults.run_tests(ROOT, ['--collect-only', 'tests/faults', *FILES])
    assert known, why
    cases = {case for _, own in known.values() for case in own}
    nodes = {node for one in MUTANTS for node in prove_faults.nodes_of(one, known)}
    noticed = {case for node in nodes for case in known[node][1]}
    assert sorted(cases - noticed) == []
