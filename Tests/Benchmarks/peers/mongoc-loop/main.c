// The speed of MongoDB's own driver for C: one caller of libmongoc writes the daemon's documents,
// one update at a time (--mode update) or N in an unordered bulk write (--mode bulk --batch N).
// Writes are acknowledged by the majority and the journal, as the daemon's are.
//
// The sessions are made beforehand and taken in turn, enough of them that no document grows large.
// The latency of an add is that of its bulk write. The collection is dropped at the beginning.
//
// Left out on purpose: looking for the request id, which makes a write safe to repeat, making missing
// sessions, and everything around the driver. Each add is an update of its own, as the driver's users
// write it; the daemon joins adds to sessions that it knows in one.
#include <mongoc/mongoc.h>

#include "../load_report.h"
#include "../load_request.h"

static struct {
    struct latencies latencies;
    uint64_t errors;
} measured;

static void fail(const char *what, const bson_error_t *error) {
    fprintf(stderr, "mongoc-loop: %s: %s\n", what, error->message);
    exit(1);
}

static int64_t now_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// Creates the sessions, as they are before their first feedback.
static void make_sessions(mongoc_collection_t *collection, uint64_t sessions) {
    bson_error_t error;
    // This fails if there is no collection.
    mongoc_collection_drop(collection, NULL);
    mongoc_bulk_operation_t *bulk =
        mongoc_collection_create_bulk_operation_with_opts(collection, NULL);
    int64_t now = now_milliseconds();
    for (uint64_t session = 0; session < sessions; session++) {
        char id[SESSION_ID_BYTES + 1];
        put_session_id(id, session, sessions);
        bson_t *document = BCON_NEW(
            "_id", BCON_UTF8(id), "session_id", BCON_UTF8(id), "session_type", BCON_UTF8("AGENT"),
            "agents", "{", "}", "metadata", "{", "}", "feedbacks", "[", "]",
            "guardrail_events", "[", "]", "application_name", BCON_NULL,
            "created_at", BCON_DATE_TIME(now), "updated_at", BCON_DATE_TIME(now));
        if (!mongoc_bulk_operation_insert_with_opts(bulk, document, NULL, &error))
            fail("a session", &error);
        bson_destroy(document);
    }
    if (!mongoc_bulk_operation_execute(bulk, NULL, &error)) fail("the sessions", &error);
    mongoc_bulk_operation_destroy(bulk);
}

// Makes the filter and the update of one add; the caller destroys both.
static void make_update(uint64_t call, uint64_t sessions, bson_t **filter, bson_t **update) {
    char session_id[SESSION_ID_BYTES + 1], request_id[REQUEST_ID_BYTES + 1], feedback_id[64];
    int64_t now = now_milliseconds();
    put_session_id(session_id, call, sessions);
    put_request_id(request_id, call);
    snprintf(feedback_id, sizeof feedback_id, "%08x-%04x-7000-8000-%012llx",
             (unsigned)(now >> 16), (unsigned)(now & 0xffff),
             (unsigned long long)call & 0xffffffffffff);
    *filter = BCON_NEW("_id", BCON_UTF8(session_id));
    *update = BCON_NEW(
        "$push", "{", "feedbacks", "{", "rating", BCON_UTF8("up"), "comment",
        BCON_UTF8(load_comment), "created_at", BCON_DATE_TIME(now), "feedback_id",
        BCON_UTF8(feedback_id), "request_id", BCON_UTF8(request_id), "}", "}",
        "$set", "{", "updated_at", BCON_DATE_TIME(now), "}");
}

// Returns true if the add is stored.
static bool add(mongoc_collection_t *collection, uint64_t call, uint64_t sessions) {
    bson_t *filter, *update, reply;
    bson_iter_t modified;
    bson_error_t error;
    make_update(call, sessions, &filter, &update);
    bool stored = mongoc_collection_update_one(collection, filter, update, NULL, &reply, &error);
    if (!stored) fprintf(stderr, "mongoc-loop: %s\n", error.message);
    stored = stored && bson_iter_init_find(&modified, &reply, "modifiedCount") &&
             bson_iter_as_int64(&modified) == 1;
    bson_destroy(&reply);
    bson_destroy(filter);
    bson_destroy(update);
    return stored;
}

// Returns the number of adds that are stored.
static uint64_t add_bulk(mongoc_collection_t *collection, const bson_t *options, uint64_t call,
                         uint64_t batch, uint64_t sessions) {
    mongoc_bulk_operation_t *bulk =
        mongoc_collection_create_bulk_operation_with_opts(collection, options);
    bson_error_t error;
    for (uint64_t end = call + batch; call < end; call++) {
        bson_t *filter, *update;
        make_update(call, sessions, &filter, &update);
        if (!mongoc_bulk_operation_update_one_with_opts(bulk, filter, update, NULL, &error))
            fail("an update", &error);
        bson_destroy(filter);
        bson_destroy(update);
    }
    bson_t reply;
    bson_iter_t modified;
    if (!mongoc_bulk_operation_execute(bulk, &reply, &error))
        fprintf(stderr, "mongoc-loop: %s\n", error.message);
    uint64_t stored = 0;
    if (bson_iter_init_find(&modified, &reply, "nModified"))
        stored = (uint64_t)bson_iter_as_int64(&modified);
    bson_destroy(&reply);
    mongoc_bulk_operation_destroy(bulk);
    return stored;
}

// Adds for `duration` nanoseconds, in bulk writes if their options are given, and returns the
// seconds that it took.
static double load(mongoc_collection_t *collection, const bson_t *bulk_options, uint64_t duration,
                   uint64_t batch, uint64_t sessions) {
    static uint64_t calls;
    uint64_t start = now_nanoseconds(), last = start;
    while (last - start < duration) {
        uint64_t stored = bulk_options ? add_bulk(collection, bulk_options, calls, batch, sessions)
                                       : add(collection, calls, sessions);
        calls += batch;
        uint64_t now = now_nanoseconds();
        if (stored > 0) record_latency(&measured.latencies, now - last, stored);
        measured.errors += batch - stored;
        last = now;
    }
    return (double)(last - start) / 1e9;
}

int main(int argc, char **argv) {
    enum { URI, DATABASE, MODE, BATCH, SESSIONS, WARMUP, SECONDS, JSON, COUNT };
    struct option options[COUNT] = {
        [URI] = {"--uri", NULL},         [DATABASE] = {"--database", "feedbackd_bench"},
        [MODE] = {"--mode", "update"},   [BATCH] = {"--batch", "1"},
        [SESSIONS] = {"--sessions", "10000"}, [WARMUP] = {"--warmup", "0.5"},
        [SECONDS] = {"--seconds", "3"},  [JSON] = {"--json", NULL}};
    read_options(argc, argv, options, COUNT);
    bool is_bulk = strcmp(options[MODE].value, "bulk") == 0;
    uint64_t batch = is_bulk ? strtoull(options[BATCH].value, NULL, 10) : 1;
    uint64_t sessions = strtoull(options[SESSIONS].value, NULL, 10);
    if ((!is_bulk && strcmp(options[MODE].value, "update") != 0) || batch == 0 || sessions == 0) {
        fprintf(stderr, "mongoc-loop: --mode is update or bulk, --batch and --sessions at least 1\n");
        return 64;
    }

    mongoc_init();
    mongoc_client_t *client = mongoc_client_new(options[URI].value);
    if (!client) {
        fprintf(stderr, "mongoc-loop: --uri is not one of MongoDB's\n");
        return 64;
    }
    mongoc_collection_t *collection =
        mongoc_client_get_collection(client, options[DATABASE].value, "sessions");
    mongoc_write_concern_t *concern = mongoc_write_concern_new();
    mongoc_write_concern_set_wmajority(concern, 10000);
    mongoc_write_concern_set_journal(concern, true);
    mongoc_collection_set_write_concern(collection, concern);
    make_sessions(collection, sessions);

    bson_t *unordered = BCON_NEW("ordered", BCON_BOOL(false));
    load(collection, is_bulk ? unordered : NULL, seconds_option(&options[WARMUP]), batch, sessions);
    memset(&measured, 0, sizeof measured);
    double seconds = load(collection, is_bulk ? unordered : NULL,
                          seconds_option(&options[SECONDS]), batch, sessions);
    struct load_report report = {&measured.latencies, measured.errors, seconds};
    write_report(options[JSON].value, &report, "");
    bson_destroy(unordered);
    mongoc_write_concern_destroy(concern);
    mongoc_collection_destroy(collection);
    mongoc_client_destroy(client);
    mongoc_cleanup();
    return report.errors == 0 ? 0 : 1;
}
