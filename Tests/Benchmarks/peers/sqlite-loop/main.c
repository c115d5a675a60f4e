// The speed of SQLite itself: one thread writes the daemon's rows into the daemon's tables in
// batches, with the daemon's statements, durability and checkpoints.
//
// The tables and indexes are those of a database which the daemon made (--template); if they have
// changed since the statements below were copied from Sources/SQLiteStore, the loop refuses to run.
// The latency of an add is that of its batch, and includes a checkpoint that the batch had to wait
// for. The report also says how many pages a transaction writes to the log.
//
// Left out on purpose: sockets, decoding, checks, readers, waiting for callers, and the way from
// the callers to the writer and back.
#include <sqlite3.h>
#include <unistd.h>

#include "../load_report.h"
#include "../load_request.h"

// The tables as the statements below know them.
#define TALLY "none_bare,none_commented,up_bare,up_commented,down_bare,down_commented," \
    "comment_code_points"
static const char *const known_tables[][2] = {
    {"session", "id,session_id,metadata,changed"},
    {"feedback", "sequence,session,feedback_id,request_id,rating,comment,created_at,updated_at,"
                 "message_id,agent_id,author_source,author_id,tags,attributes,changed,revision"},
    {"session_total", "session," TALLY},
    {"hour_total", "session,hour," TALLY ",first_sequence,last_sequence"},
};

#define ADD_TALLY \
    "none_bare = none_bare + excluded.none_bare," \
    "none_commented = none_commented + excluded.none_commented," \
    "up_bare = up_bare + excluded.up_bare," \
    "up_commented = up_commented + excluded.up_commented," \
    "down_bare = down_bare + excluded.down_bare," \
    "down_commented = down_commented + excluded.down_commented," \
    "comment_code_points = comment_code_points + excluded.comment_code_points"

enum { BEGIN, COMMIT, FIND_SESSION, INSERT_SESSION, INSERT_FEEDBACK, SESSION_TOTAL, HOUR_TOTAL,
       STATEMENTS };
static const char *const statements_sql[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [FIND_SESSION] = "SELECT id FROM session WHERE session_id = ?",
    [INSERT_SESSION] = "INSERT INTO session (session_id) VALUES (?)",
    [INSERT_FEEDBACK] =
        "INSERT INTO feedback (sequence, session, feedback_id, request_id, rating, comment,"
        " created_at, updated_at, message_id, agent_id, author_source, author_id, tags,"
        " attributes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    [SESSION_TOTAL] =
        "INSERT INTO session_total (session, " TALLY ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (session) DO UPDATE SET " ADD_TALLY,
    [HOUR_TOTAL] =
        "INSERT INTO hour_total (session, hour, " TALLY ", first_sequence, last_sequence)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (hour, session) DO UPDATE SET " ADD_TALLY ","
        " first_sequence = min(first_sequence, excluded.first_sequence),"
        " last_sequence = max(last_sequence, excluded.last_sequence)",
};

// The additions of a batch to the counters of a session, or of all sessions (number 0).
struct counter {
    int64_t number;
    int64_t count;
    int64_t first_sequence;
    int64_t last_sequence;
};

static sqlite3 *db;
static sqlite3_stmt *statements[STATEMENTS];
static struct counter *counters;  // the first for all sessions, then one for each
static int *touched;              // indexes of the counters that the batch changes
static uint64_t first_request;
static int64_t last_sequence;     // the last number of the log, which is counted in memory
static int wal_pages;             // the length of the log after the last commit

static struct {
    struct latencies latencies;
    uint64_t transactions;
    uint64_t wal_pages;  // the number of pages written
    uint64_t checkpoints;
} measured;

static void fail(const char *what) {
    fprintf(stderr, "sqlite-loop: %s: %s\n", what, sqlite3_errmsg(db));
    exit(1);
}

static void execute(const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail(sql);
}

// MARK: Schema

static void open_database(const char *path, int flags) {
    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) fail(path);
}

static void copy_template(const char *template, const char *path) {
    open_database(template, SQLITE_OPEN_READWRITE);
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", path);
    execute(sql);
    sqlite3_free(sql);
    sqlite3_close(db);
}

static void check_tables(void) {
    sqlite3_stmt *columns;
    if (sqlite3_prepare_v2(db, "SELECT group_concat(name) FROM pragma_table_info(?)", -1, &columns,
                           NULL) != SQLITE_OK)
        fail("the columns");
    for (size_t index = 0; index < sizeof known_tables / sizeof known_tables[0]; index++) {
        sqlite3_bind_text(columns, 1, known_tables[index][0], -1, SQLITE_STATIC);
        if (sqlite3_step(columns) != SQLITE_ROW) fail("the columns");
        const char *found = (const char *)sqlite3_column_text(columns, 0);
        if (!found || strcmp(found, known_tables[index][1]) != 0) {
            fprintf(stderr, "sqlite-loop: the daemon's table %s has changed (%s): bring the"
                            " statements here up to date\n",
                    known_tables[index][0], found ? found : "missing");
            exit(1);
        }
        sqlite3_reset(columns);
    }
    sqlite3_finalize(columns);
}

// SQLite calls this after each commit instead of making an automatic checkpoint.
static int note_wal_pages(void *context, sqlite3 *connection, const char *name, int pages) {
    (void)context, (void)connection, (void)name;
    wal_pages = pages;
    return SQLITE_OK;
}

static void prepare_statements(void) {
    for (int index = 0; index < STATEMENTS; index++) {
        if (sqlite3_prepare_v3(db, statements_sql[index], -1, SQLITE_PREPARE_PERSISTENT,
                               &statements[index], NULL) != SQLITE_OK)
            fail(statements_sql[index]);
    }
}

static void find_last_sequence(void) {
    sqlite3_stmt *find;
    if (sqlite3_prepare_v2(db, "SELECT max(sequence) FROM feedback", -1, &find, NULL) != SQLITE_OK
        || sqlite3_step(find) != SQLITE_ROW)
        fail("the last sequence");
    last_sequence = sqlite3_column_int64(find, 0);
    sqlite3_finalize(find);
}

// MARK: Adding

// Runs a statement that has been bound and has no rows.
static void run(int index) {
    if (sqlite3_step(statements[index]) != SQLITE_DONE) fail(statements_sql[index]);
    sqlite3_reset(statements[index]);
    sqlite3_clear_bindings(statements[index]);
}

static int64_t session_number(const char *session_id) {
    sqlite3_stmt *find = statements[FIND_SESSION];
    sqlite3_bind_text(find, 1, session_id, -1, SQLITE_STATIC);
    int result = sqlite3_step(find);
    if (result != SQLITE_ROW && result != SQLITE_DONE) fail(statements_sql[FIND_SESSION]);
    int64_t number = result == SQLITE_ROW ? sqlite3_column_int64(find, 0) : 0;
    sqlite3_reset(find);
    if (number) return number;
    sqlite3_bind_text(statements[INSERT_SESSION], 1, session_id, -1, SQLITE_STATIC);
    run(INSERT_SESSION);
    return sqlite3_last_insert_rowid(db);
}

// Returns the new row's sequence. `call` makes the request id and the feedback id unique.
static int64_t insert_feedback(int64_t session, uint64_t call, int64_t created_at) {
    uint8_t feedback_id[16];
    char request_id[REQUEST_ID_BYTES + 1];
    uint64_t high = (uint64_t)created_at << 16 | 0x7000 | (call & 0xfff);
    uint64_t low = (uint64_t)2 << 62 | call;
    for (int index = 0; index < 8; index++) {
        feedback_id[index] = (uint8_t)(high >> (56 - 8 * index));
        feedback_id[index + 8] = (uint8_t)(low >> (56 - 8 * index));
    }
    put_request_id(request_id, first_request + call);
    sqlite3_stmt *insert = statements[INSERT_FEEDBACK];
    sqlite3_bind_int64(insert, 1, ++last_sequence);
    sqlite3_bind_int64(insert, 2, session);
    sqlite3_bind_blob(insert, 3, feedback_id, sizeof feedback_id, SQLITE_STATIC);
    sqlite3_bind_text(insert, 4, request_id, REQUEST_ID_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 5, 1);
    sqlite3_bind_text(insert, 6, load_comment, COMMENT_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 7, created_at);
    run(INSERT_FEEDBACK);
    return last_sequence;
}

// Binds the counts; all feedback of the loop is rated up and has a comment.
static void bind_tally(sqlite3_stmt *upsert, int first_parameter, int64_t count) {
    for (int index = 0; index < 6; index++) {
        sqlite3_bind_int64(upsert, first_parameter + index, index == 3 ? count : 0);
    }
    sqlite3_bind_int64(upsert, first_parameter + 6, count * COMMENT_BYTES);
}

static void write_counter(const struct counter *counter, int64_t hour) {
    sqlite3_stmt *total = statements[SESSION_TOTAL], *by_hour = statements[HOUR_TOTAL];
    sqlite3_bind_int64(total, 1, counter->number);
    bind_tally(total, 2, counter->count);
    run(SESSION_TOTAL);
    sqlite3_bind_int64(by_hour, 1, counter->number);
    sqlite3_bind_int64(by_hour, 2, hour);
    bind_tally(by_hour, 3, counter->count);
    sqlite3_bind_int64(by_hour, 10, counter->first_sequence);
    sqlite3_bind_int64(by_hour, 11, counter->last_sequence);
    run(HOUR_TOTAL);
}

// Runs one transaction, whose feedback all has the same time of creation.
static void add_batch(uint64_t first_call, int batch, int sessions) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t created_at = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    int touched_count = 0;
    run(BEGIN);
    for (uint64_t call = first_call; call < first_call + (uint64_t)batch; call++) {
        int index = (int)(call % (uint64_t)sessions);
        char session_id[SESSION_ID_BYTES + 1];
        put_session_id(session_id, call, (uint64_t)sessions);
        int64_t number = session_number(session_id);
        int64_t sequence = insert_feedback(number, call, created_at);
        const struct { int index; int64_t number; } counted[] = {{0, 0}, {index + 1, number}};
        for (int which = 0; which < 2; which++) {
            struct counter *counter = &counters[counted[which].index];
            if (counter->count++ == 0) {
                touched[touched_count++] = counted[which].index;
                counter->number = counted[which].number;
                counter->first_sequence = sequence;
            }
            counter->last_sequence = sequence;
        }
    }
    for (int index = 0; index < touched_count; index++) {
        write_counter(&counters[touched[index]], created_at / 3600000);
        counters[touched[index]].count = 0;
    }
    run(COMMIT);
}

// Adds for `duration` nanoseconds and returns the seconds that it took.
static double load(uint64_t duration, int batch, int sessions, int checkpoint_pages) {
    static uint64_t calls;
    uint64_t start = now_nanoseconds(), last = start;
    while (last - start < duration) {
        int before = wal_pages;
        add_batch(calls, batch, sessions);
        calls += (uint64_t)batch;
        // After a checkpoint the log begins anew.
        measured.wal_pages += (uint64_t)(wal_pages > before ? wal_pages - before : wal_pages);
        measured.transactions++;
        uint64_t now = now_nanoseconds();
        record_latency(&measured.latencies, now - last, (uint64_t)batch);
        last = now;
        if (wal_pages < checkpoint_pages) continue;
        measured.checkpoints++;
        if (sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) != SQLITE_OK)
            fail("checkpoint");
    }
    return (double)(last - start) / 1e9;
}

int main(int argc, char **argv) {
    enum { DATABASE, TEMPLATE, BATCH, SESSIONS, CHECKPOINT, WARMUP, SECONDS, JSON, COUNT };
    struct option options[COUNT] = {
        [DATABASE] = {"--database", NULL}, [TEMPLATE] = {"--template", NULL},
        [BATCH] = {"--batch", "1"},        [SESSIONS] = {"--sessions", "1000"},
        // 4 MiB, at which the daemon makes a checkpoint, in pages of its files.
        [CHECKPOINT] = {"--wal-pages-before-checkpoint", "2048"},
        [WARMUP] = {"--warmup", "0.5"},    [SECONDS] = {"--seconds", "3"},
        [JSON] = {"--json", NULL}};
    read_options(argc, argv, options, COUNT);
    int batch = atoi(options[BATCH].value), sessions = atoi(options[SESSIONS].value);
    int checkpoint_pages = atoi(options[CHECKPOINT].value);
    if (batch < 1 || sessions < 1) {
        fprintf(stderr, "sqlite-loop: --batch and --sessions are at least 1\n");
        return 64;
    }
    first_request = first_request_number();
    counters = calloc((size_t)sessions + 1, sizeof *counters);
    touched = calloc((size_t)sessions + 1, sizeof *touched);
    if (!counters || !touched) fail("calloc");

    copy_template(options[TEMPLATE].value, options[DATABASE].value);
    open_database(options[DATABASE].value, SQLITE_OPEN_READWRITE);
    check_tables();
    execute("PRAGMA journal_mode = WAL");
    execute("PRAGMA synchronous = FULL");
    sqlite3_wal_hook(db, note_wal_pages, NULL);
    prepare_statements();
    find_last_sequence();

    load(seconds_option(&options[WARMUP]), batch, sessions, checkpoint_pages);
    memset(&measured, 0, sizeof measured);
    double seconds =
        load(seconds_option(&options[SECONDS]), batch, sessions, checkpoint_pages);

    char extra[200];
    snprintf(extra, sizeof extra,
             ",\n \"transactions\": %llu, \"wal_pages_per_transaction\": %.2f, \"checkpoints\": %llu",
             (unsigned long long)measured.transactions,
             (double)measured.wal_pages / (double)measured.transactions,
             (unsigned long long)measured.checkpoints);
    struct load_report report = {&measured.latencies, 0, seconds};
    write_report(options[JSON].value, &report, extra);
    for (int index = 0; index < STATEMENTS; index++) sqlite3_finalize(statements[index]);
    sqlite3_close(db);
}
