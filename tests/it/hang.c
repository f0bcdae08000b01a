/* Makes calls about files hang for as long as a file lies where an environment variable says, as
 * they do on a disk that has stopped to answer. Loaded into the program by the tests. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
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

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    look(path);
    return REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = va_arg(rest, mode_t);
    va_end(rest);
    look(path);
    return REAL(open64)(path, flags, mode);
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
