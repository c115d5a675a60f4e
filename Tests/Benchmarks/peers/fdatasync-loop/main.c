// The lower bound for a durable add: a write and an fdatasync, repeated, with nothing else.
//
// It writes as SQLite writes its log: at the end of a file that grows to --wrap bytes (by default
// 1,000 pages of 4,096 bytes and their headers, about the length at which the daemon copies its log
// into the database), then again from the start over the old content. The first round is made
// before the clock starts, since a log in use is one that has been written before; fdatasync has no
// new length to store then. With --wrap 0 the file only grows.
//
// Left out on purpose: everything that makes a database of a file.
#include <fcntl.h>
#include <unistd.h>

#include "../load_report.h"

static struct latencies latencies;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

// Makes one durable write; returns the offset of the next one.
static off_t append(int file, const void *bytes, size_t count, off_t position) {
    if (pwrite(file, bytes, count, position) != (ssize_t)count) fail("pwrite");
    if (fdatasync(file) != 0) fail("fdatasync");
    return position + (off_t)count;
}

int main(int argc, char **argv) {
    enum { FILE_PATH, BYTES, WRAP, SECONDS, JSON, COUNT };
    struct option options[COUNT] = {[FILE_PATH] = {"--file", NULL},
                                    [BYTES] = {"--bytes", "4120"},  // 4,096 and a header of 24
                                    [WRAP] = {"--wrap", "4120032"},
                                    [SECONDS] = {"--seconds", "3"},
                                    [JSON] = {"--json", NULL}};
    read_options(argc, argv, options, COUNT);
    size_t count = strtoull(options[BYTES].value, NULL, 10);
    off_t wrap = atoll(options[WRAP].value);
    uint64_t duration = seconds_option(&options[SECONDS]);
    uint8_t *bytes = malloc(count);
    if (count == 0 || !bytes) fail("--bytes");
    memset(bytes, 0x5a, count);
    if (wrap > 0 && wrap < (off_t)count) wrap = (off_t)count;

    int file = open(options[FILE_PATH].value, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0) fail(options[FILE_PATH].value);
    off_t position = 0;
    while (position + (off_t)count <= wrap) position = append(file, bytes, count, position);
    if (wrap > 0) position = 0;

    uint64_t start = now_nanoseconds(), last = start;
    while (last - start < duration) {
        position = append(file, bytes, count, position);
        if (wrap > 0 && position + (off_t)count > wrap) position = 0;
        uint64_t now = now_nanoseconds();
        record_latency(&latencies, now - last, 1);
        last = now;
    }
    struct load_report report = {&latencies, 0, (double)(last - start) / 1e9};
    write_report(options[JSON].value, &report, "");
}
