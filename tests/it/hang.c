/* Simulates a bad disk; tests preload it into the program. System calls about files hang while the file
 * named by an environment variable exists, as on a disk that no longer answers. Reads of the database
 * fail at the offset in such a file, as on a disk that has lost a page. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void hang(const char *variable)
{
    const char *flag = getenv(variable);
    while (flag && access(flag, F_OK) == 0)
        usleep(10000);
}

static void look(const char *path)
{
    if (path && strstr(path, "status.db"))
        hang("HANG_LOOKS");
    if (path && strstr(path, "tokens.toml"))
        hang("HANG_TOKENS");
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int stat(const char *path, struct stat *found)
{
    look(path);
    return REAL(stat)(path, found);
}

int stat64(const char *path, struct stat64 *found)
{
    look(path);
    return REAL(stat64)(path, found);
}

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *found)
{
    look(path);
    return REAL(statx)(folder, path, flags, mask, found);
}

#define OPEN(name)                               \
    int name(const char *path, int flags, ...)   \
    {                                            \
        va_list rest;                            \
        va_start(rest, flags);                   \
        mode_t mode = va_arg(rest, mode_t);      \
        va_end(rest);                            \
        look(path);                              \
        return REAL(name)(path, flags, mode);    \
    }

OPEN(open)
OPEN(open64)

static int is_lost(int file, off64_t place)
{
    char link[64], path[4096] = "";
    long long lost = -1;
    const char *name = getenv("LOSE_PAGE");
    FILE *flag = name ? fopen(name, "r") : NULL;
    if (!flag)
        return 0;
    if (fscanf(flag, "%lld", &lost) != 1)
        lost = -1;
    fclose(flag);
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return lost == place && length > 9 && strcmp(path + length - 9, "status.db") == 0;
}

ssize_t pread64(int file, void *bytes, size_t count, off64_t place)
{
    if (is_lost(file, place)) {
        errno = EIO;
        return -1;
    }
    return REAL(pread64)(file, bytes, count, place);
}

int fsync(int file)
{
    hang("HANG_SYNCS");
    return REAL(fsync)(file);
}

int fdatasync(int file)
{
    hang("HANG_SYNCS");
    return REAL(fdatasync)(file);
}
