/*
 * fakeclock.c - the clocks of one program, set by a test; see fakeclock.py
 *
 * Loaded before libc.  The file that FAKECLOCK names holds milliseconds, as
 * a number of 64 bits; they are added to the wall clock, and with
 * FAKECLOCK_PASSES to the monotonic one too.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead_ms;
static int passes;

__attribute__((__constructor__)) static void
begin(void)
{
	const char *path = getenv("FAKECLOCK");
	void *at;
	int fd;

	/* Not for what runs it, nor for what it runs. */
	if (path == NULL || strcmp(program_invocation_short_name,
	    "mailbraked") != 0 || (fd = open(path, O_RDONLY)) == -1)
		return;
	unsetenv("LD_PRELOAD");
	at = mmap(NULL, sizeof(*ahead_ms), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (at == MAP_FAILED)
		return;
	passes = getenv("FAKECLOCK_PASSES") != NULL;
	ahead_ms = at;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int rv = (int)syscall(SYS_clock_gettime, id, ts);
	int wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
	int64_t ms;

	if (rv != 0 || ahead_ms == NULL || (!wall && !(passes &&
	    (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE ||
	    id == CLOCK_MONOTONIC_RAW || id == CLOCK_BOOTTIME))))
		return rv;
	ms = *ahead_ms + ts->tv_nsec / 1000000;
	ts->tv_nsec %= 1000000;
	ts->tv_sec += ms / 1000;
	if ((ms %= 1000) < 0) {
		ms += 1000;
		ts->tv_sec--;
	}
	ts->tv_nsec += ms * 1000000;
	return rv;
}

time_t
time(time_t *t)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (t != NULL)
		*t = ts.tv_sec;
	return ts.tv_sec;
}

int
gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}
