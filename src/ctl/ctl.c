/*
 * ctl.c - what the commands of `mailbrake` share
 */
#include "ctl/ctl.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static FILE	*complaints;		/* NULL: standard error */

void
complain_to(FILE *out)
{
	complaints = out;
}

void
complain(const char *fmt, ...)
{
	FILE *out = complaints != NULL ? complaints : stderr;
	va_list ap;

	/* What was printed before belongs before it. */
	fflush(stdout);
	fputs("mailbrake: ", out);
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	fputc('\n', out);
}

void
print_json(const json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII |
	    JSON_ENCODE_ANY);
	putchar('\n');
}

const char *
ctl_login(void)
{
	const char *sudo = getenv("SUDO_USER");
	const struct passwd *pw;

	if (sudo != NULL && *sudo != '\0')
		return sudo;
	return (pw = getpwuid(getuid())) != NULL ? pw->pw_name : NULL;
}
