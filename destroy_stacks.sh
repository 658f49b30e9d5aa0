#!/usr/bin/env bash
# Deletes all stacks, services first: ./destroy_stacks.sh [--stage S] [--region R] [--yes]
set -euo pipefail
exec "$(dirname -- "${BASH_SOURCE[0]}")/ecom" destroy "$@"
