#!/usr/bin/env bash
# Deploys all stacks, or the services that are named: ./deploy_stacks.sh [SERVICE…] [--stage S] [--region R] …
set -euo pipefail
exec "$(dirname -- "${BASH_SOURCE[0]}")/ecom" deploy "$@"
