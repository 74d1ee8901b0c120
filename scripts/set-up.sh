#!/usr/bin/env bash
# Makes sure that what the demo and the tests start is on this machine: redis-server or valkey-server, and
# with --with-celery also a real Celery for /usr/bin/python3.
# Says nothing when all is there. Starts and stops nothing: the Redis it installs does not run by itself.
set -euo pipefail

readonly POLICY=/usr/sbin/policy-rc.d

main() {
  local with_celery=false
  case "${1:-}" in
    "") ;;
    --with-celery) with_celery=true ;;
    *) fail 2 "usage: bash scripts/set-up.sh [--with-celery]" ;;
  esac

  local missing=()
  has_redis || missing+=(redis-server)
  if $with_celery && ! has_celery; then missing+=(python3-celery python3-redis); fi
  if ((${#missing[@]} == 0)); then return; fi

  install_packages "${missing[@]}"
  has_redis || fail 1 "redis-server is installed, but not on PATH ($PATH)"
  if $with_celery && ! has_celery; then
    fail 1 "/usr/bin/python3 still cannot import celery and redis"
  fi
}

has_redis() { command -v redis-server >/dev/null || command -v valkey-server >/dev/null; }
has_celery() { /usr/bin/python3 -c 'import celery, redis' >/dev/null 2>&1; }

install_packages() {
  if [[ "$(uname -s)" == Darwin ]]; then
    install_with_brew "$@"
  elif command -v apt-get >/dev/null; then
    install_with_apt "$@"
  else
    fail 1 "missing: $*. Install them with this system's package manager, then run this again."
  fi
}

install_with_brew() {
  [[ "$*" != *celery* ]] || fail 1 "missing for the Celery tests: /usr/bin/python3 -m pip install --user celery redis"
  command -v brew >/dev/null || fail 1 "missing: redis. Install Homebrew (https://brew.sh), then: brew install redis"
  brew install redis
}

install_with_apt() {
  local install=(apt-get install -y --no-install-recommends "$@")
  if ((EUID != 0)); then
    fail 1 "missing: $*. Run as root: apt-get update && ${install[*]}"
  fi
  forbid_service_starts
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  "${install[@]}"
}

# Debian starts what it installs; a Redis on 6379 is not ours to start. See invoke-rc.d(8): 101 is "forbidden".
forbid_service_starts() {
  if [[ -e $POLICY ]]; then return; fi
  trap 'rm -f "$POLICY"' EXIT
  trap 'exit 130' INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$POLICY"
  chmod 755 "$POLICY"
}

fail() {
  local code=$1
  shift
  printf 'set-up: %s\n' "$*" >&2
  exit "$code"
}

main "$@"
