"""Runs in checkov's own environment: `python checkov_scan.py TEMPLATE…` prints what fails, as JSON.

Not through checkov's command line: that starts all its frameworks and asks its vendor's server for news.
Skips that people wrote are not honoured here, so that the gate sees whether a waived finding still occurs.
"""

import json
import sys

from checkov.cloudformation.context_parser import ContextParser
from checkov.cloudformation.runner import Runner
from checkov.runner_filter import RunnerFilter

ContextParser.collect_skip_comments = staticmethod(lambda *_, **__: [])
runner = Runner()
report = runner.run(
    root_folder=None, files=sys.argv[1:], runner_filter=RunnerFilter(framework=["cloudformation"])
)
json.dump(
    {
        "read": sorted(map(str, runner.definitions or ())),
        "failed": [
            {
                "file": record.file_abs_path,
                "line": record.file_line_range[0],
                "resource": record.resource.rpartition(".")[2],
                "rule": record.check_id,
                "message": record.check_name,
            }
            for record in report.failed_checks
        ],
    },
    sys.stdout,
)
