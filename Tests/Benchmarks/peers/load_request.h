// The adds of the load programs: the same sessions, comment and request ids that feedbackd-bench
// sends, so that the same data is stored. For C and C++.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum {
    SESSION_ID_BYTES = 15,
    REQUEST_ID_BYTES = 36,
    COMMENT_BYTES = 40,
};

static const char load_comment[COMMENT_BYTES + 1] = "cccccccccccccccccccccccccccccccccccccccc";

// Writes the id of a call's session, SESSION_ID_BYTES characters and a NUL; the sessions are taken
// in turn.
static inline void put_session_id(char *text, uint64_t call, uint64_t sessions) {
    snprintf(text, SESSION_ID_BYTES + 1, "session-%07u", (unsigned)(call % sessions % 10000000));
}

// Returns the number of a run's first request id: like those of clients (UUIDs of version 7),
// request ids begin with the time, and those of later runs are greater.
static inline uint64_t first_request_number(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000) << 16;
}

// Writes a request id, REQUEST_ID_BYTES characters and a NUL.
static inline void put_request_id(char *text, uint64_t number) {
    snprintf(text, REQUEST_ID_BYTES + 1, "%016llx%020d", (unsigned long long)number, 0);
}
