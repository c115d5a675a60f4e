#!/usr/bin/env bash
# Builds and tests the Go client and its samples against a real daemon, out of Debian's packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
here=$PWD
build=$(realpath -m ../../.build/clients-go)
libraries=/usr/share/gocode

. ../need.sh

# need_library IMPORT_PATH PACKAGE
need_library() {
    [ -d "$libraries/src/$1" ] || die "$1 is missing; install the Debian package $2"
}

need go golang-go
need protoc protobuf-compiler
need protoc-gen-gogottrpc gogottrpc
need_library github.com/containerd/ttrpc golang-github-containerd-ttrpc-dev
need_library github.com/gogo/protobuf/types golang-github-gogo-protobuf-dev
need protoc-gen-go golang-goprotobuf-dev
need_library google.golang.org/grpc golang-google-grpc-dev
need_library google.golang.org/genproto/googleapis/rpc/errdetails golang-google-genproto-dev

./generate.sh --check
unformatted=$(gofmt -l ./*.go samples)
[ -z "$unformatted" ] || die "run gofmt -w on" $unformatted

mkdir -p "$build/gopath/src"
ln -sfn "$here" "$build/gopath/src/feedbackd"
export GO111MODULE=off GOFLAGS='' GOPATH="$build/gopath:$libraries" CGO_ENABLED=0
export GOCACHE=${GOCACHE:-$build/go-cache}
[ -z "${FEEDBACKD_PROGRAM:-}" ] || FEEDBACKD_PROGRAM=$(realpath "$FEEDBACKD_PROGRAM")
go vet feedbackd feedbackd/samples/basic feedbackd/samples/errors
# Go's cache of results knows nothing of the daemon and the vectors.
go test -count=1 feedbackd
go build -o "$build/basic" feedbackd/samples/basic
go build -o "$build/errors" feedbackd/samples/errors
samples/grpc/build.sh "$build/grpc"

../expect-output.sh "$build/basic" <<'END'
RATING_UP: Very helpful response!
RATING_DOWN: Too slow 🐌
1 of 2 are up, 50 %
variant B
END
../expect-output.sh "$build/errors" <<'END'
InvalidArgument, comment must be at most 10000 code points, has 10001
no such session
too late
the daemon is away: keep the feedback and its request_id, and try later
END
../expect-output.sh "$build/grpc/grpc" <<'END'
RATING_UP: Very helpful response!
InvalidArgument, session_id must be 1 to 255 bytes, is empty
END
echo "clients/go: ok"
