/* For LD_PRELOAD: calls on the disk fail while a file of a certain name is in the folder FAULTS.
 *
 * sync: each fdatasync and fsync (EIO).
 * read: one pread of a database, which removes the file (EIO).
 * reads: each pread of a database (EIO).
 * lock: each lock of a database or of its shared memory, by fcntl (ENOLCK).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *fault(const char *name, char *path)
{
	const char *folder = getenv("FAULTS");
	return folder && snprintf(path, 4096, "%s/%s", folder, name) < 4096 ? path : NULL;
}

static int is_set(const char *name)
{
	char path[4096];
	return fault(name, path) && access(path, F_OK) == 0;
}

static int take(const char *name)
{
	char path[4096];
	return fault(name, path) && unlink(path) == 0;
}

static int ends_with(int file, const char *end)
{
	char link[64], path[4096];
	snprintf(link, sizeof link, "/proc/self/fd/%d", file);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length < (ssize_t)strlen(end))
		return 0;
	path[length] = 0;
	return strcmp(path + length - strlen(end), end) == 0;
}

static int failed(int number)
{
	errno = number;
	return -1;
}

#define ORIGINAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int file)
{
	return is_set("sync") ? failed(EIO) : ORIGINAL(fsync)(file);
}

int fdatasync(int file)
{
	return is_set("sync") ? failed(EIO) : ORIGINAL(fdatasync)(file);
}

ssize_t pread64(int file, void *bytes, size_t count, off64_t offset)
{
	if (ends_with(file, ".db") && (is_set("reads") || take("read")))
		return failed(EIO);
	return ORIGINAL(pread64)(file, bytes, count, offset);
}

int fcntl64(int file, int command, ...)
{
	va_list arguments;
	va_start(arguments, command);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	if (command == F_SETLK && ((struct flock *)argument)->l_type != F_UNLCK &&
	    (ends_with(file, ".db") || ends_with(file, ".db-shm")) && is_set("lock"))
		return failed(ENOLCK);
	return ORIGINAL(fcntl64)(file, command, argument);
}
