/*
 * clock.c - the only place that asks what time it is
 */
#include "base/clock.h"

#include <string.h>
#include <time.h>

static int64_t
read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

int64_t
clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

const char *
clock_text(int64_t wall_ms, char buf[CLOCK_TEXT_MAX])
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (wall_ms == 0 || localtime_r(&t, &tm) == NULL ||
	    strftime(buf, CLOCK_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		strcpy(buf, "-");
	return buf;
}

const char *
clock_iso(int64_t wall_ms, char buf[CLOCK_TEXT_MAX])
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (wall_ms == 0 || gmtime_r(&t, &tm) == NULL ||
	    strftime(buf, CLOCK_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		strcpy(buf, "-");
	return buf;
}
