// Counts a process's allocations, and its transactions of SQLite, when loaded with LD_PRELOAD.
//
// When the process exits, it writes the counts to the file that COUNT_CALLS_FILE names.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// glibc's own names of the functions that are replaced here.
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_long allocations, transactions;

void *malloc(size_t size) {
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size) {
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    *result = __libc_memalign(alignment, size);
    return *result ? 0 : ENOMEM;
}

// A transaction is one or more writes of pages with their headers to SQLite's log, and a sync.
// Writes of bare pages, as a checkpoint makes them to the database, and of the log's own header do
// not count.
enum { FILES = 1024, PAGE = 4096, LOG_HEADER = 32 };
static atomic_bool has_pages[FILES];

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
    if (file < FILES && count > LOG_HEADER && count % PAGE != 0) has_pages[file] = true;
    return real(file, bytes, count, offset);
}

int fdatasync(int file) {
    static int (*real)(int);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
    if (file < FILES && atomic_exchange(&has_pages[file], false))
        atomic_fetch_add_explicit(&transactions, 1, memory_order_relaxed);
    return real(file);
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("COUNT_CALLS_FILE");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "{\"allocations\": %ld, \"transactions\": %ld}\n",
            atomic_load(&allocations), atomic_load(&transactions));
    fclose(file);
}
