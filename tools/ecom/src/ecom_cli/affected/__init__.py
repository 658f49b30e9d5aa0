"""What a change touches: which packages and suites have to be tested, built, deployed, and why.

`rules` say what kind of file a path is, `effects` what a change of that kind does, by way of the workspace's
`graph`; `since` asks git what has changed. Why so: docs/adr/024-what-a-change-touches.md.
"""

from ecom_cli.affected.result import Affected, Reason, Work
from ecom_cli.affected.since import affected

__all__ = ["Affected", "Reason", "Work", "affected"]
