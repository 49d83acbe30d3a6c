#!/bin/sh
# Say where the browser of the tests is: `sh scripts/chromium.sh`; `… install` brings the system's own where there is none.
set -eu
packages="chromium chromium-browser"

main() {
    found && return
    [ "${1:-}" = install ] || give_up
    [ -f /etc/debian_version ] || give_up
    install_package
    found || give_up
}

found() {
    for browser in chromium chromium-browser google-chrome google-chrome-stable \
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" /Applications/Chromium.app/Contents/MacOS/Chromium; do
        if "$browser" --version >/dev/null 2>&1; then
            command -v "$browser"
            return
        fi
    done
    return 1
}

install_package() {
    as_root true || give_up
    echo "Installing Chromium for the tests in a browser" >&2
    as_root apt-get update -qq >&2
    for package in $packages; do
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >&2 && return
    done
    give_up
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@" 2>/dev/null; fi
}

give_up() {
    case $(uname -s) in
        Darwin) mend="brew install --cask google-chrome" ;;
        *) mend="sudo apt-get install chromium, or your system's like" ;;
    esac
    echo "The tests in a browser need Chromium or Google Chrome: $mend. Without them: make test ARGS='--ignore tests/browser'" >&2
    exit 1
}

main "$@"
