/* Simulates a disk that refuses some calls, and a clock that moves on; tests preload it into the program.
 * While the file named by FAULT exists, the call in it fails on files of a name: "write status.db-wal 28".
 * Each failure adds a byte to a file beside that one, whose name ends with ".hit". A fourth word says how often
 * it fails; then the fault in the file whose name ends with ".next" is in force. "cut status.db 20" ends the
 * program with the twentieth write, as a power cut would. The file named by AHEAD has the
 * seconds by which both clocks are ahead. The file named by ON_DISK has what the disk has of status.db-wal:
 * what was written before a sync that failed is never on disk unless it is written again, as on Linux. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int fails_at(const char *call, const char *path)
{
    static unsigned failures;
    char wanted[32], pattern[256], hit[4096], next[4096];
    int number = 0;
    unsigned times = 0;
    const char *name = getenv("FAULT"), *base = strrchr(path, '/');
    FILE *file = name ? fopen(name, "r") : NULL;
    if (!file)
        return 0;
    int count = fscanf(file, "%31s %255s %d %u", wanted, pattern, &number, &times);
    fclose(file);
    if (count < 3 || strcmp(wanted, call) != 0 || fnmatch(pattern, base ? base + 1 : path, 0) != 0)
        return 0;
    snprintf(hit, sizeof hit, "%s.hit", name);
    file = fopen(hit, "a");
    if (file) {
        fputc('.', file);
        fclose(file);
    }
    snprintf(next, sizeof next, "%s.next", name);
    if (++failures == times)
        rename(next, name);
    errno = number;
    return 1;
}

static int find_path(int descriptor, char path[4096])
{
    char link[64];
    memset(path, 0, 4096);
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    return readlink(link, path, 4095) >= 0;
}

static int fails(const char *call, int descriptor)
{
    char path[4096];
    if (!getenv("FAULT") || access(getenv("FAULT"), F_OK) != 0 || !find_path(descriptor, path))
        return 0;
    return fails_at(call, path);
}

/* Where the log was written since its last sync: it is written from the front to the back. */
static off64_t written_from, written_to;

static int is_log(int descriptor)
{
    char path[4096];
    if (!getenv("ON_DISK") || !find_path(descriptor, path))
        return 0;
    const char *base = strrchr(path, '/');
    return base && strcmp(base, "/status.db-wal") == 0;
}

static ssize_t wrote(int file, off64_t place, ssize_t count)
{
    static int writes;
    if (fails("cut", file) && ++writes == errno)
        kill(getpid(), SIGKILL);
    if (count <= 0 || !is_log(file))
        return count;
    int is_first = written_from == written_to;
    if (is_first || place < written_from)
        written_from = place;
    if (is_first || place + count > written_to)
        written_to = place + count;
    return count;
}

static int synced(int file, int outcome)
{
    if (!is_log(file))
        return outcome;
    int number = errno, disk = outcome == 0 ? REAL(open64)(getenv("ON_DISK"), O_WRONLY | O_CREAT, 0600) : -1;
    char piece[4096];
    while (disk >= 0 && written_from < written_to) {
        off64_t rest = written_to - written_from;
        ssize_t count = rest < 4096 ? (ssize_t)rest : 4096;
        count = REAL(pread64)(file, piece, count, written_from);
        if (count <= 0 || REAL(pwrite64)(disk, piece, count, written_from) != count)
            abort();
        written_from += count;
    }
    if (disk >= 0)
        close(disk);
    written_from = written_to = 0;
    errno = number;
    return outcome;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t place)
{
    return fails("write", file) ? -1 : wrote(file, place, REAL(pwrite64)(file, bytes, count, place));
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t place)
{
    return fails("write", file) ? -1 : wrote(file, place, REAL(pwrite)(file, bytes, count, place));
}

ssize_t write(int file, const void *bytes, size_t count)
{
    if (fails("write", file))
        return -1;
    ssize_t done = REAL(write)(file, bytes, count);
    return done > 0 && is_log(file) ? wrote(file, lseek64(file, 0, SEEK_CUR) - done, done) : done;
}

ssize_t copy_file_range(int from, off64_t *in, int to, off64_t *out, size_t count, unsigned flags)
{
    return fails("write", to) ? -1 : REAL(copy_file_range)(from, in, to, out, count, flags);
}

ssize_t pread64(int file, void *bytes, size_t count, off64_t place)
{
    return fails("read", file) ? -1 : REAL(pread64)(file, bytes, count, place);
}

int fsync(int file)
{
    return synced(file, fails("sync", file) ? -1 : REAL(fsync)(file));
}

int fdatasync(int file)
{
    return synced(file, fails("sync", file) ? -1 : REAL(fdatasync)(file));
}

#define OPEN(name)                                                                    \
    int name(const char *path, int flags, ...)                                        \
    {                                                                                 \
        va_list rest;                                                                 \
        va_start(rest, flags);                                                        \
        mode_t mode = va_arg(rest, mode_t);                                           \
        va_end(rest);                                                                 \
        if ((flags & (O_WRONLY | O_RDWR | O_CREAT)) && fails_at("open", path))        \
            return -1;                                                                \
        return REAL(name)(path, flags, mode);                                         \
    }

OPEN(open)
OPEN(open64)

int clock_gettime(clockid_t clock, struct timespec *time)
{
    long long ahead = 0;
    int outcome = REAL(clock_gettime)(clock, time);
    const char *name = getenv("AHEAD");
    FILE *file = outcome == 0 && name ? fopen(name, "r") : NULL;
    if (file) {
        if (fscanf(file, "%lld", &ahead) == 1)
            time->tv_sec += ahead;
        fclose(file);
    }
    return outcome;
}
