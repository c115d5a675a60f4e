#include "program_start.h"
#include <signal.h>

// A handler, unlike SIG_IGN, is not inherited by the commands of hooks.
static void pass_over(int number) { (void)number; }

// A write beyond the limit on file sizes (ulimit -f) must fail and not end the program. libmongoc makes
// a file of counters while the program is loaded, which is before main.
static void survive_file_size_limit(void) { signal(SIGXFSZ, pass_over); }

// These functions run before those of the libraries (System V ABI, "Initialization and Termination
// Functions").
__attribute__((section(".preinit_array"), used)) static void (*const start[])(void) = {
	survive_file_size_limit,
};
