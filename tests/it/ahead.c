/* Makes the wall clock of a program run ahead by so many milliseconds as CLOCK_AHEAD says; tests preload
 * it. The monotonic clock is that of the system. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int failed = syscall(SYS_clock_gettime, clock, time);
    const char *ahead = getenv("CLOCK_AHEAD");
    if (failed || clock != CLOCK_REALTIME || !ahead)
        return failed;
    time->tv_nsec += atol(ahead) % 1000 * 1000000;
    time->tv_sec += atol(ahead) / 1000 + time->tv_nsec / 1000000000;
    time->tv_nsec %= 1000000000;
    return 0;
}
