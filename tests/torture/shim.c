/* Faults between a process and its system, by LD_PRELOAD: one rule, told by the environment.
 *
 *   TORTURE_OP      write fsync rename link open flock send: what to look at, several with commas
 *   TORTURE_MATCH   a part of the file's path (not for send)
 *   TORTURE_API     for send: the number of the Kafka request, 26 being EndTxn and 0 Produce
 *   TORTURE_DO      EIO ENOSPC EXDEV EROFS: fails so; short: writes a part; torn: writes a part and dies;
 *                   kill: dies before; kill-after: dies after; ignore: says it was done (flock)
 *   TORTURE_FROM    the first time it strikes, from 1; TORTURE_COUNT how often, 0 for ever
 *   TORTURE_ONCE    a file that is made when it strikes first; while it is there nothing strikes
 *   TORTURE_CLOCK   AFTER_S:JUMP_S,… : the wall clock jumps, as seen from then on
 *
 * cc -shared -fPIC -O1 -o shim.so shim.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define NEXT(name) ({ static __typeof__(&name) next; if (!next) next = dlsym(RTLD_NEXT, #name); next; })

enum { PASS, FAIL, SHORT, TORN, KILL, KILL_AFTER, IGNORE };

static atomic_long seen;

static const char *setting(const char *name) { const char *text = getenv(name); return text && *text ? text : NULL; }

static void die(void) { syscall(SYS_kill, getpid(), SIGKILL); for (;;) syscall(SYS_pause); }

static int looks_at(const char *operation) {
    const char *all = setting("TORTURE_OP"), *found = all ? strstr(all, operation) : NULL;
    char after = found ? found[strlen(operation)] : 'x';
    return found && (found == all || found[-1] == ',') && (after == 0 || after == ',');
}

/* What to do this time, and with FAIL the errno in `error`. */
static int verdict(int *error) {
    const char *what = setting("TORTURE_DO"), *from = setting("TORTURE_FROM"), *count = setting("TORTURE_COUNT");
    const char *once = setting("TORTURE_ONCE");
    struct stat marker;
    if (!what || (once && syscall(SYS_newfstatat, AT_FDCWD, once, &marker, 0) == 0)) return PASS;
    long number = atomic_fetch_add(&seen, 1) + 1, first = from ? atol(from) : 1, times = count ? atol(count) : 1;
    if (number < first || (times > 0 && number >= first + times)) return PASS;
    if (once) syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, once, O_CREAT | O_WRONLY, 0600));
    *error = EIO;
    if (!strcmp(what, "ENOSPC")) *error = ENOSPC;
    if (!strcmp(what, "EXDEV")) *error = EXDEV;
    if (!strcmp(what, "EROFS")) *error = EROFS;
    if (what[0] == 'E') return FAIL;
    if (!strcmp(what, "short")) return SHORT;
    if (!strcmp(what, "torn")) return TORN;
    if (!strcmp(what, "ignore")) return IGNORE;
    if (!strcmp(what, "kill-after")) return KILL_AFTER;
    return KILL;
}

static int on_path(const char *operation, const char *path, int *error) {
    const char *match = setting("TORTURE_MATCH");
    if (!looks_at(operation) || (match && !strstr(path, match))) return PASS;
    return verdict(error);
}

static int on_file(const char *operation, int file, int *error) {
    char link[64], path[4096];
    if (!looks_at(operation)) return PASS;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    return on_path(operation, path, error);
}

/* Does what is to be done around a call: `call` is what it does, `partial` the same on a part of the bytes. */
#define AROUND(decided, call, partial) do { \
        int error = 0, what = (decided); \
        __typeof__(call) result; \
        if (what == KILL) die(); \
        if (what == FAIL) { errno = error; return -1; } \
        if (what == IGNORE) return 0; \
        result = what == SHORT || what == TORN ? (partial) : (call); \
        if (what == KILL_AFTER || what == TORN) die(); \
        return result; \
    } while (0)

ssize_t write(int file, const void *bytes, size_t length) {
    AROUND(on_file("write", file, &error), NEXT(write)(file, bytes, length),
           NEXT(write)(file, bytes, length > 1 ? length / 2 : length));
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    AROUND(on_file("write", file, &error), NEXT(writev)(file, parts, count),
           NEXT(write)(file, parts[0].iov_base, parts[0].iov_len / 2 + 1));
}

int fsync(int file) { AROUND(on_file("fsync", file, &error), NEXT(fsync)(file), NEXT(fsync)(file)); }

int fdatasync(int file) { AROUND(on_file("fsync", file, &error), NEXT(fdatasync)(file), NEXT(fdatasync)(file)); }

int rename(const char *old, const char *new) {
    AROUND(on_path("rename", new, &error), NEXT(rename)(old, new), NEXT(rename)(old, new));
}

int linkat(int old_folder, const char *old, int new_folder, const char *new, int flags) {
    AROUND(on_path("link", new, &error), NEXT(linkat)(old_folder, old, new_folder, new, flags),
           NEXT(linkat)(old_folder, old, new_folder, new, flags));
}

int open64(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    if (!(flags & (O_WRONLY | O_RDWR))) return NEXT(open64)(path, flags, mode);
    AROUND(on_path("open", path, &error), NEXT(open64)(path, flags, mode), NEXT(open64)(path, flags, mode));
}

int flock(int file, int operation) {
    AROUND(on_file("flock", file, &error), NEXT(flock)(file, operation), NEXT(flock)(file, operation));
}

/* A Kafka request begins with its length, its number and its version, all big-endian. */
static int on_request(const unsigned char *bytes, size_t length, int *error) {
    const char *wanted = setting("TORTURE_API");
    if (!wanted || !looks_at("send") || length < 8) return PASS;
    int api = bytes[4] << 8 | bytes[5], version = bytes[6] << 8 | bytes[7];
    if (bytes[0] || api != atoi(wanted) || version > 20) return PASS;
    return verdict(error);
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
    AROUND(message->msg_iovlen ? on_request(message->msg_iov[0].iov_base, message->msg_iov[0].iov_len, &error) : PASS,
           NEXT(sendmsg)(socket, message, flags), NEXT(sendmsg)(socket, message, flags));
}

ssize_t send(int socket, const void *bytes, size_t length, int flags) {
    AROUND(on_request(bytes, length, &error), NEXT(send)(socket, bytes, length, flags),
           NEXT(send)(socket, bytes, length, flags));
}

/* Seconds to add to the wall clock now. */
static long jump(void) {
    static long begun;
    const char *rule = setting("TORTURE_CLOCK");
    struct timespec now;
    long after, by, sum = 0;
    if (!rule) return 0;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
    if (!begun) begun = now.tv_sec;
    for (; rule && sscanf(rule, "%ld:%ld", &after, &by) == 2; rule = strchr(rule, ',') ? strchr(rule, ',') + 1 : NULL)
        if (now.tv_sec - begun >= after) sum += by;
    return sum;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += jump();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int result = syscall(SYS_gettimeofday, now, zone);
    if (result == 0) now->tv_sec += jump();
    return result;
}

/* The clock of the system itself does not jump: a moment to wait for is said in its terms. */
int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until) {
    struct timespec moment = *until;
    moment.tv_sec -= jump();
    return NEXT(cnd_timedwait)(condition, mutex, &moment);
}

time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}
