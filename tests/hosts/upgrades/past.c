/* Preloaded, it has a program live 400 days ago, or as many seconds as the file says, now. (The
 * clock itself is the test machine's, and the libfaketime of Debian 12 breaks the sleep of Python.)
 * Clocks that only count stay as they are. */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define FILE_WITH_SECONDS "/usr/local/lib/past.seconds"

static const int64_t by_default = 400 * 24 * 3600;
static const volatile int64_t *ago = &by_default;

__attribute__((constructor)) static void map_file(void)
{
    int file = open(FILE_WITH_SECONDS, O_RDONLY | O_CLOEXEC);
    void *mapped;

    if (file < 0)
        return;
    mapped = mmap(NULL, sizeof *ago, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED)
        ago = mapped;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = syscall(SYS_clock_gettime, clock, now);

    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec -= *ago;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;

    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise))
        return -1;
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *also)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (also)
        *also = now.tv_sec;
    return now.tv_sec;
}
