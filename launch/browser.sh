#!/usr/bin/env bash
# The tests open the report's page in a real browser: Chromium with its driver, from Debian's packages. Installs them
# if they are missing and this is root; else says how. Chrome or Chromium from elsewhere does as well: name them in
# CHROMIUM and CHROMEDRIVER.
set -euo pipefail

browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
driver=${CHROMEDRIVER:-$(command -v chromedriver || true)}
if [[ -x $browser && -x $driver ]]; then
    exit 0
fi
packages=(chromium chromium-driver)
if [[ $(id -u) != 0 ]] || ! command -v apt-get > /dev/null; then
    echo "tests: need Chromium and chromedriver: sudo apt-get install ${packages[*]}" >&2
    echo "tests: or set CHROMIUM and CHROMEDRIVER to where they are." >&2
    exit 1
fi
echo "tests: installing ${packages[*]} (a minute, the first time)"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null
