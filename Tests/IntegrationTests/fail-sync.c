/* For LD_PRELOAD: fdatasync and fsync fail once a file exists whose path is in FAIL_SYNC. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int fails(void)
{
	const char *path = getenv("FAIL_SYNC");
	return path && access(path, F_OK) == 0;
}

#define FAILING(name)                                                         \
	int name(int file)                                                    \
	{                                                                     \
		static int (*original)(int);                                  \
		if (fails()) {                                                \
			errno = EIO;                                          \
			return -1;                                            \
		}                                                             \
		if (!original)                                                \
			original = (int (*)(int))dlsym(RTLD_NEXT, #name);     \
		return original(file);                                        \
	}

FAILING(fsync)
FAILING(fdatasync)
