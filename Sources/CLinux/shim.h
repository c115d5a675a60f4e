// What glibc declares for _GNU_SOURCE only, so that Swift's Glibc module does not have it.
#pragma once
#include <sys/socket.h>

// accept(2): sets close-on-exec and non-blocking at once, so that no child process can inherit a
// connection in between.
int accept4(int socket, struct sockaddr *address, socklen_t *size, int flags);
