/*
 * scan.c - numbers that the parser would misread
 */
#include "conf/scan.h"

#include <sys/stat.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define DEPTH_MAX	10		/* libconfig's own limit */
#define FILES_MAX	200
#define FILE_MAX_BYTES	(8 * 1024 * 1024)
#define READ_BYTES	16384		/* to begin with */
#define DIGITS_MAX	9		/* more may not fit 32 bits */

struct scan {
	const char	*p;
	struct position	 at;
	char		 setting[64];	/* the name read last */
};

/* NULL, and the reason said, if path cannot be read as a file. */
static char *
read_file(const char *path, const struct position *from, struct errors *errs)
{
	const char *why = NULL;
	FILE *f = NULL;
	char *text;
	struct stat st;
	size_t len = 0, n, room = READ_BYTES;

	if (stat(path, &st) == -1 ||
	    (S_ISREG(st.st_mode) && (f = fopen(path, "r")) == NULL)) {
		errors_add(errs, from, "cannot read %s: %s", path,
		    strerror(errno));
		return NULL;
	}
	if (f == NULL) {
		errors_add(errs, from, "cannot read %s: it is not a file",
		    path);
		return NULL;
	}
	text = xcalloc(1, room);
	while (len <= FILE_MAX_BYTES &&
	    (n = fread(text + len, 1, room - len, f)) > 0) {
		if ((len += n) == room)
			text = xreallocarray(text, 1, room *= 2);
	}
	if (ferror(f))
		why = strerror(errno);
	else if (len > FILE_MAX_BYTES)
		why = "it is too large";
	else if (memchr(text, '\0', len) != NULL)
		/* libconfig would read on behind it, and we not. */
		why = "it is no text: there is a NUL byte in it";
	fclose(f);
	if (why == NULL) {
		text[len] = '\0';
		return text;
	}
	errors_add(errs, from, "cannot read %s: %s", path, why);
	free(text);
	return NULL;
}

static void
skip_string(struct scan *s)
{
	for (s->p++; *s->p != '\0' && *s->p != '"'; s->p++) {
		if (*s->p == '\\' && s->p[1] != '\0')
			s->p++;
		if (*s->p == '\n')
			s->at.line++;
	}
	if (*s->p == '"')
		s->p++;
}

static void
skip_comment(struct scan *s)
{
	if (s->p[0] == '/' && s->p[1] == '*') {
		for (s->p += 2; *s->p != '\0'; s->p++) {
			if (*s->p == '\n')
				s->at.line++;
			if (s->p[0] == '*' && s->p[1] == '/') {
				s->p += 2;
				return;
			}
		}
		return;
	}
	while (*s->p != '\0' && *s->p != '\n')
		s->p++;
}

static void
check_number(struct scan *s, struct errors *errs)
{
	const char *start = s->p;
	size_t len, digits;
	bool plain, wide;

	while (isalnum((unsigned char)*s->p) || *s->p == '.')
		s->p++;
	len = (size_t)(s->p - start);
	/* "10L" has 64 bits, and its range is checked after parsing. */
	digits = strspn(start, "0123456789");
	wide = digits < len && start[digits] == 'L';
	plain = digits == len || wide;
	if (plain && digits > 1 && start[0] == '0') {
		errors_misread(errs, &s->at, "%s: %.*s begins with a zero, "
		    "which some versions read as octal: write it without",
		    s->setting, (int)len, start);
	} else if ((plain && !wide && len > DIGITS_MAX) || (len > 10 &&
	    (start[0] == '0' && (start[1] | 0x20) == 'x'))) {
		errors_misread(errs, &s->at, "%s: %.*s is too large a "
		    "number", s->setting, (int)len, start);
	}
}

static bool
scan_file(const char *path, const char *include_dir, int depth,
    const struct position *from, struct scan_names *names,
    struct errors *errs);

static bool
check_include(struct scan *s, const char *include_dir, int depth,
    struct scan_names *names, struct errors *errs)
{
	const char *open, *close;
	char *path;
	bool ok;

	open = s->p + strlen("@include");
	open += strspn(open, " \t");
	s->p = open;
	if (*open != '"' || (close = strchr(open + 1, '"')) == NULL)
		return true;
	s->p = close + 1;
	/* libconfig 1.5 would put the directory before that too. */
	if (open[1] == '/') {
		errors_add(errs, &s->at, "@include \"%.*s\": must be "
		    "relative to %s, the directory of this configuration",
		    (int)(close - open - 1), open + 1, include_dir);
		return false;
	}
	path = xasprintf("%s/%.*s", include_dir, (int)(close - open - 1),
	    open + 1);
	ok = scan_file(path, include_dir, depth + 1, &s->at, names, errs);
	free(path);
	return ok;
}

static bool
scan_file(const char *path, const char *include_dir, int depth,
    const struct position *from, struct scan_names *names,
    struct errors *errs)
{
	struct scan s = { .at.line = 1 };
	bool ok = true;
	char *text;
	size_t len;

	if (depth > DEPTH_MAX)
		return true;	/* libconfig says it: nested too deep */
	/* Files that include each other twice would be read for ever. */
	if (names->count == FILES_MAX) {
		if (!names->too_many)
			errors_add(errs, from, "more than %d included files: "
			    "does one include itself?", FILES_MAX);
		names->too_many = true;
		return false;
	}
	if ((text = read_file(path, from, errs)) == NULL)
		return false;
	names->v = xreallocarray(names->v, names->count + 1,
	    sizeof(*names->v));
	s.at.file = names->v[names->count++] = xstrdup(path);
	s.p = text;
	while (*s.p != '\0') {
		if (*s.p == '"') {
			skip_string(&s);
		} else if (*s.p == '#' || (s.p[0] == '/' &&
		    (s.p[1] == '/' || s.p[1] == '*'))) {
			skip_comment(&s);
		} else if (strncmp(s.p, "@include", 8) == 0) {
			ok = check_include(&s, include_dir, depth, names,
			    errs) && ok;
		} else if (isalpha((unsigned char)*s.p) || *s.p == '*') {
			len = strspn(s.p, "abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-*");
			snprintf(s.setting, sizeof(s.setting), "%.*s",
			    (int)len, s.p);
			s.p += len;
		} else if (isdigit((unsigned char)*s.p)) {
			check_number(&s, errs);
		} else {
			if (*s.p == '\n')
				s.at.line++;
			s.p++;
		}
	}
	free(text);
	return ok;
}

bool
scan_numbers(const char *path, const char *include_dir,
    struct scan_names *names, struct errors *errs)
{
	return scan_file(path, include_dir, 0, NULL, names, errs);
}

void
scan_free(struct scan_names *names)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		free(names->v[i]);
	free(names->v);
	*names = (struct scan_names){ 0 };
}
