// What Swift's Glibc module does not have.
#pragma once
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <linux/memfd.h>
#include <linux/stat.h>
#include <malloc.h>
#include <sched.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

// accept(2), declared by glibc for _GNU_SOURCE only: sets close-on-exec and non-blocking at once, so
// that no child process can inherit a connection in between.
int accept4(int socket, struct sockaddr *address, socklen_t *size, int flags);

// sched_setaffinity(2), declared for _GNU_SOURCE only.
int sched_setaffinity(pid_t thread, size_t bytes, const cpu_set_t *processors);

// The program, and behind it the libraries that it has loaded (link.h); a variable in C, which Swift
// cannot know to be safe.
static inline struct link_map *_Nullable first_loaded_object(void) { return _r_debug.r_map; }

// sched_getcpu(3), likewise: the processor that runs the thread, without a system call.
int sched_getcpu(void);

// memfd_create(2), likewise: a file in memory, which needs no folder.
int memfd_create(const char *_Nonnull name, unsigned int flags);

// Added to glibc 2.34, likewise: the child closes the descriptors from this one on.
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *_Nonnull actions, int from);

// The environment; a variable in C, which Swift cannot know to be safe.
extern char **environ;
static inline char *_Nullable *_Nullable process_environment(void) { return environ; }

// statx(2), likewise: the inode of a path's file and its time of birth, which is 0 where the file
// system has none. Returns 0 or -1.
static inline int file_birth(
    const char *_Nonnull path, unsigned long long *_Nonnull inode, long long *_Nonnull nanoseconds)
{
    struct statx file;
    if (syscall(SYS_statx, AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &file) != 0)
        return -1;
    *inode = file.stx_ino;
    *nanoseconds = file.stx_mask & STATX_BTIME
        ? file.stx_btime.tv_sec * 1000000000LL + file.stx_btime.tv_nsec
        : 0;
    return 0;
}
