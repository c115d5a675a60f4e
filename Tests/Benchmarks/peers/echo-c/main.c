// The lower bound: the cost of the kernel and a socket when a call does almost nothing.
//
// One thread waits with epoll, reads the available bytes, and answers every request frame with the
// same bytes under the request's stream id: one read and one write per batch.
//
// Left out on purpose: decoding (the answer has nothing of the request), storing, limits, deadlines,
// and a peer that does not read its answers, which blocks everybody.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../response_frame.h"

enum { INPUT_BYTES = 256 * 1024, EVENTS_PER_WAIT = 64, BACKLOG = 1024 };

struct connection {
    int descriptor;
    size_t length;  // the number of bytes in `input` that are not answered yet
    uint8_t input[INPUT_BYTES];
};

// Room for the answers to as many frames as the input can hold.
static uint8_t output[INPUT_BYTES / FRAME_HEADER_BYTES * RESPONSE_FRAME_BYTES];
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void stop(int signal_number) {
    (void)signal_number;
    unlink(address.sun_path);
    _exit(0);
}

static int listen_at(const char *path) {
    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "echo-c: the socket's path is too long\n");
        exit(64);
    }
    strcpy(address.sun_path, path);
    unlink(path);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) fail("socket");
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address) < 0) fail(path);
    if (listen(descriptor, BACKLOG) < 0) fail("listen");
    return descriptor;
}

// Writes an answer to each complete frame into `output` and keeps the rest of the input; returns
// the number of bytes to send.
static size_t answer(struct connection *connection) {
    uint8_t *input = connection->input;
    size_t position = 0, answered = 0;
    while (connection->length - position >= FRAME_HEADER_BYTES) {
        size_t frame_bytes = FRAME_HEADER_BYTES + (size_t)load_u32(input + position);
        if (connection->length - position < frame_bytes) break;
        if (input[position + 8] == FRAME_TYPE_REQUEST) {
            put_response_frame(output + answered, load_u32(input + position + 4));
            answered += RESPONSE_FRAME_BYTES;
        }
        position += frame_bytes;
    }
    connection->length -= position;
    memmove(input, input + position, connection->length);
    return answered;
}

static int write_all(int descriptor, const uint8_t *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(descriptor, bytes, count);
        if (written < 0 && errno != EINTR) return -1;
        if (written > 0) bytes += written, count -= (size_t)written;
    }
    return 0;
}

// Returns false if the connection has ended, or sent a frame larger than the input.
static int serve(struct connection *connection) {
    ssize_t received = read(connection->descriptor, connection->input + connection->length,
                            INPUT_BYTES - connection->length);
    if (received <= 0) return received < 0 && errno == EINTR;
    connection->length += (size_t)received;
    return write_all(connection->descriptor, output, answer(connection)) == 0;
}

static void watch(int poll, int descriptor, void *context) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = context};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) < 0) fail("epoll_ctl");
}

static void accept_connection(int poll, int listener) {
    int descriptor = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (descriptor < 0) return;
    struct connection *connection = malloc(sizeof *connection);
    if (!connection) fail("malloc");
    connection->descriptor = descriptor;
    connection->length = 0;
    watch(poll, descriptor, connection);
}

int main(int argc, char **argv) {
    if (argc != 3 || strcmp(argv[1], "--socket") != 0) {
        fprintf(stderr, "usage: echo-c --socket PATH\n");
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    int listener = listen_at(argv[2]);
    signal(SIGTERM, stop);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    if (poll < 0) fail("epoll_create1");
    watch(poll, listener, NULL);
    puts("ready");
    fflush(stdout);

    struct epoll_event events[EVENTS_PER_WAIT];
    for (;;) {
        int count = epoll_wait(poll, events, EVENTS_PER_WAIT, -1);
        for (int index = 0; index < count; index++) {
            struct connection *connection = events[index].data.ptr;
            if (!connection) {
                accept_connection(poll, listener);
            } else if (!serve(connection)) {
                close(connection->descriptor);
                free(connection);
            }
        }
    }
}
