"""
Deliberate breakages: each must make the cases that it names fail.

``make faults-prove`` puts one after the other into a copy of the package and
runs the named tests against it. A breakage whose text is no longer in the
package is an error, so that these lists cannot rot.
"""

from tests.faults.mutants.driving import DRIVING
from tests.faults.mutants.hostile import HOSTILE
from tests.faults.mutants.images import IMAGES
from tests.faults.mutants.mutant import Mutant
from tests.faults.mutants.packages import PACKAGES
from tests.faults.mutants.processes import PROCESSES
from tests.faults.mutants.queues import QUEUES
from tests.faults.mutants.streams import STREAMS
from tests.faults.mutants.supervision import SUPERVISION

MUTANTS = [
    *IMAGES, *STREAMS, *QUEUES, *PACKAGES, *SUPERVISION, *PROCESSES, *DRIVING, *HOSTILE,
]  # fmt: skip

__all__ = ['MUTANTS', 'Mutant']
