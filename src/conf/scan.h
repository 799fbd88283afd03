/*
 * scan.h - numbers that the parser would misread
 *
 * libconfig 1.5 wraps integers that do not fit (4294967297 reads as 1), 1.7.3
 * makes 64 bits of them or calls it a syntax error, and versions differ in
 * whether 010 is ten or eight; that cannot be seen after parsing.  So the text
 * is looked through before.
 */
#ifndef MAILBRAKE_CONF_SCAN_H
#define MAILBRAKE_CONF_SCAN_H

#include <stdbool.h>

#include "conf/errors.h"

/* Keeps the file names that positions point to; freed by scan_free(). */
struct scan_names {
	char	**v;
	size_t	 count;
	bool	 too_many;	/* has been said */
};

/*
 * Adds an error for each such number in the file and in what it includes.
 * include_dir: against which @include paths are resolved.  False if one of
 * them is not a file or cannot be read: also said, and then libconfig must
 * not see it, for its scanner ends the process on a read error.
 */
bool	scan_numbers(const char *path, const char *include_dir,
	    struct scan_names *names, struct errors *errs);
void	scan_free(struct scan_names *);

#endif
