// The adds of the load programs: the same sessions, comment and request ids that feedbackd-bench
// sends, so that the same data is stored. For C and C++.
#pragma once

#include <stdint.h>
#include <stdio.h>

enum {
    SESSION_ID_BYTES = 15,
    REQUEST_ID_BYTES = 36,
    COMMENT_BYTES = 40,
};

static const char load_comment[COMMENT_BYTES + 1] = "cccccccccccccccccccccccccccccccccccccccc";

// The sessions are taken in turn. Writes SESSION_ID_BYTES characters and a NUL.
static inline void put_session_id(char *text, uint64_t call, uint64_t sessions) {
    snprintf(text, SESSION_ID_BYTES + 1, "session-%07u", (unsigned)(call % sessions % 10000000));
}

// As random as those of clients, so that consecutive ones lie nowhere near each other in an index.
// Writes REQUEST_ID_BYTES characters and a NUL.
static inline void put_request_id(char *text, uint64_t number) {
    // The finalizer of MurmurHash3: every number has another hash.
    number = (number ^ number >> 33) * 0xff51afd7ed558ccd;
    number = (number ^ number >> 33) * 0xc4ceb9fe1a85ec53;
    number ^= number >> 33;
    snprintf(text, REQUEST_ID_BYTES + 1, "%016llx%020d", (unsigned long long)number, 0);
}
