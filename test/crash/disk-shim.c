/*
 * A disk that fails or is slow, for a real broker: loaded before the C library with LD_PRELOAD.
 *
 *   FAULT_CALL    pwrite, pread, fdatasync, fsync, open or rename; pwrite and pread stand for their vectored forms too
 *   FAULT_PATH    only files whose path contains this
 *   FAULT_AT      the first call that fails, counted from 1; those after it fail too
 *   FAULT_ERRNO   the number of the error; 0 for none
 *   FAULT_DELAY_MS  every such call takes so much longer; with FAULT_CALL=all, each of them
 *   FAULT_WHILE   only while there is a file of this name; always if it is not given
 *
 *   cc -shared -fPIC -O1 -o disk-shim.so disk-shim.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls;

static const char *setting(const char *name) {
  const char *text = getenv(name);
  return text == NULL ? "" : text;
}

/* Whether this call fails; errno says how. */
static int fails(const char *call, const char *path) {
  const char *wanted = setting("FAULT_CALL");
  if (strcmp(wanted, call) != 0 && strcmp(wanted, "all") != 0) return 0;
  if (strstr(path, setting("FAULT_PATH")) == NULL) return 0;
  const char *only_while = setting("FAULT_WHILE");
  if (only_while[0] != 0 && access(only_while, F_OK) != 0) return 0;
  long delay_ms = atol(setting("FAULT_DELAY_MS"));
  if (delay_ms > 0) {
    struct timespec time = {delay_ms / 1000, (delay_ms % 1000) * 1000000};
    nanosleep(&time, NULL);
  }
  int number = atoi(setting("FAULT_ERRNO"));
  if (number == 0) return 0;
  if (atomic_fetch_add(&calls, 1) + 1 < atol(setting("FAULT_AT"))) return 0;
  errno = number;
  return 1;
}

static int fails_on(const char *call, int fd) {
  char link[64];
  char path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return fails(call, path);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) {
  return fails_on("pwrite", fd) ? -1 : NEXT(pwrite)(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  return fails_on("pwrite", fd) ? -1 : NEXT(pwrite64)(fd, bytes, size, at);
}

ssize_t pwritev(int fd, const struct iovec *vector, int count, off_t at) {
  return fails_on("pwrite", fd) ? -1 : NEXT(pwritev)(fd, vector, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *vector, int count, off64_t at) {
  return fails_on("pwrite", fd) ? -1 : NEXT(pwritev64)(fd, vector, count, at);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t at) {
  return fails_on("pread", fd) ? -1 : NEXT(pread)(fd, bytes, size, at);
}

ssize_t pread64(int fd, void *bytes, size_t size, off64_t at) {
  return fails_on("pread", fd) ? -1 : NEXT(pread64)(fd, bytes, size, at);
}

int fdatasync(int fd) {
  return fails_on("fdatasync", fd) ? -1 : NEXT(fdatasync)(fd);
}

int fsync(int fd) {
  return fails_on("fsync", fd) ? -1 : NEXT(fsync)(fd);
}

int rename(const char *from, const char *to) {
  return fails("rename", from) ? -1 : NEXT(rename)(from, to);
}

static int mode_of(int flags, va_list rest) {
  return (flags & O_CREAT) != 0 ? va_arg(rest, int) : 0;
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = mode_of(flags, rest);
  va_end(rest);
  return fails("open", path) ? -1 : NEXT(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  int mode = mode_of(flags, rest);
  va_end(rest);
  return fails("open", path) ? -1 : NEXT(open64)(path, flags, mode);
}
