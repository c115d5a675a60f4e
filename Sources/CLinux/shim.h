// What Swift's Glibc module does not have.
#pragma once
#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

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
