# For the test.sh of each language, which sources it from its own folder: ends the tests with a
# reason.

die() {
    echo "clients/$(basename "$PWD")/test.sh: $*" >&2
    exit 1
}

# need COMMAND PACKAGE
need() {
    command -v "$1" >/dev/null || die "$1 is missing; install the Debian package $2"
}
