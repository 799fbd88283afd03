/*
 * duration.c - "15m" and back
 */
#include "base/duration.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Long units first: text is written with the two largest that are not 0. */
static const struct {
	const char	*name;
	int64_t		 ms;
} units[] = {
	{ "w",	7 * 86400000LL },
	{ "d",	86400000LL },
	{ "h",	3600000LL },
	{ "m",	60000LL },
	{ "s",	1000LL },
	{ "ms",	1LL },
};

#define UNIT_COUNT	(sizeof(units) / sizeof(units[0]))
#define DURATION_MAX_MS	(10LL * 366 * 86400000LL)

static int
find_unit(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < UNIT_COUNT; i++) {
		if (strlen(units[i].name) == len &&
		    strncmp(units[i].name, text, len) == 0)
			return (int)i;
	}
	return -1;
}

const char *
duration_parse(const char *text, int64_t *ms)
{
	const char *p = text;
	int64_t total = 0, n;
	size_t digits, letters;
	int unit;

	if (*p == '\0')
		return "is empty: write a duration like \"15m\"";
	while (*p != '\0') {
		digits = strspn(p, "0123456789");
		if (digits == 0)
			return "is not a duration: write one like \"15m\" "
			    "or \"1h30m\"";
		if (digits > 12)
			return "is too long";
		for (n = 0; digits > 0; digits--)
			n = n * 10 + (*p++ - '0');
		letters = strspn(p, "abcdefghijklmnopqrstuvwxyz");
		if (letters == 0)
			return *p == '\0' ? "has no unit: write one of "
			    "ms s m h d w, like \"15m\"" :
			    "is not a duration: write one like \"15m\" "
			    "or \"1h30m\"";
		if ((unit = find_unit(p, letters)) == -1)
			return "has an unknown unit: use one of "
			    "ms s m h d w";
		p += letters;
		if (n > DURATION_MAX_MS / units[unit].ms)
			return "is too long";
		total += n * units[unit].ms;
		if (total > DURATION_MAX_MS)
			return "is too long";
	}
	*ms = total;
	return NULL;
}

const char *
duration_text(int64_t ms, char buf[DURATION_TEXT_MAX])
{
	size_t i, len = 0;
	int parts = 0;
	int64_t n;

	buf[0] = '\0';
	for (i = 1; i < UNIT_COUNT && parts < 2 && ms > 0; i++) {
		n = ms / units[i].ms;
		ms %= units[i].ms;
		/* Milliseconds matter only to what is short. */
		if (n == 0 || (parts > 0 && units[i].ms == 1)) {
			if (parts > 0)
				break;
			continue;
		}
		len += (size_t)snprintf(buf + len, DURATION_TEXT_MAX - len,
		    "%s%lld%s", parts > 0 ? " " : "", (long long)n,
		    units[i].name);
		parts++;
	}
	if (parts == 0)
		strcpy(buf, "0s");
	return buf;
}
