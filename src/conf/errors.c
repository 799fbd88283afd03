/*
 * errors.c - everything that is wrong with a file, gathered
 */
#include "conf/errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define ERRORS_MAX	200	/* nobody reads on after that many */

static void
add(struct errors *errs, bool warning, const struct position *at,
    const char *fmt, va_list ap)
    __attribute__((__format__(__printf__, 4, 0)));

static void
add(struct errors *errs, bool warning, const struct position *at,
    const char *fmt, va_list ap)
{
	char raw[600], text[640];

	if (!warning)
		errs->error_count++;
	if (errs->count == ERRORS_MAX)
		return;
	vsnprintf(raw, sizeof(raw), fmt, ap);
	text_clean(text, sizeof(text), raw, strlen(raw));
	errs->lines = xreallocarray(errs->lines, errs->count + 1,
	    sizeof(*errs->lines));
	errs->warning = xreallocarray(errs->warning, errs->count + 1,
	    sizeof(*errs->warning));
	if (at != NULL && at->file != NULL && at->line != 0)
		errs->lines[errs->count] = xasprintf("%s:%u: %s", at->file,
		    at->line, text);
	else if (at != NULL && at->file != NULL)
		errs->lines[errs->count] = xasprintf("%s: %s", at->file,
		    text);
	else
		errs->lines[errs->count] = xstrdup(text);
	errs->warning[errs->count++] = warning;
}

static bool
is_misread(const struct errors *errs, const struct position *at)
{
	char *where;
	size_t i;

	if (errs->misread_count == 0 || at == NULL || at->file == NULL)
		return false;
	where = xasprintf("%s:%u", at->file, at->line);
	for (i = 0; i < errs->misread_count; i++) {
		if (strcmp(errs->misread[i], where) == 0)
			break;
	}
	free(where);
	return i < errs->misread_count;
}

void
errors_add(struct errors *errs, const struct position *at,
    const char *fmt, ...)
{
	va_list ap;

	if (is_misread(errs, at))
		return;
	va_start(ap, fmt);
	add(errs, false, at, fmt, ap);
	va_end(ap);
}

void
errors_misread(struct errors *errs, const struct position *at,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(errs, false, at, fmt, ap);
	va_end(ap);
	if (errs->misread_count == ERRORS_MAX)
		return;
	errs->misread = xreallocarray(errs->misread, errs->misread_count + 1,
	    sizeof(*errs->misread));
	errs->misread[errs->misread_count++] = xasprintf("%s:%u", at->file,
	    at->line);
}

void
errors_warn(struct errors *errs, const struct position *at,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(errs, true, at, fmt, ap);
	va_end(ap);
}

void
errors_free(struct errors *errs)
{
	size_t i;

	for (i = 0; i < errs->count; i++)
		free(errs->lines[i]);
	for (i = 0; i < errs->misread_count; i++)
		free(errs->misread[i]);
	free(errs->misread);
	free(errs->lines);
	free(errs->warning);
	*errs = (struct errors){ 0 };
}
