#!/usr/bin/env bash
# Deploys all stacks, or the services that are named: ./deploy_stacks.sh [SERVICE[@VERSION]…] [--stage S] …
# On a terminal it asks before it changes anything on AWS; a machine that runs this has said yes.
set -euo pipefail
[ -t 0 ] || set -- "$@" --yes
exec "$(dirname -- "${BASH_SOURCE[0]}")/ecom" deploy "$@"
