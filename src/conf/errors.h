/*
 * errors.h - everything that is wrong with a file, gathered
 *
 * An administrator wants to see all mistakes at once, each with file, line,
 * setting, the value found and what is allowed.  Warnings do not refuse the
 * file.
 */
#ifndef MAILBRAKE_CONF_ERRORS_H
#define MAILBRAKE_CONF_ERRORS_H

#include <stdbool.h>
#include <stddef.h>

struct errors {
	char	**lines;	/* "file:line: text" */
	bool	*warning;
	size_t	 count;
	size_t	 error_count;	/* those that are no warnings */
	char	**misread;	/* "file:line" of errors_misread() */
	size_t	 misread_count;
};

/* Where something stands in a file; file is borrowed from libconfig or the
 * caller and must live as long as messages are added. */
struct position {
	const char	*file;
	unsigned int	 line;
};

void	errors_add(struct errors *, const struct position *,
	    const char *fmt, ...)
	    __attribute__((__format__(__printf__, 3, 4)));
void	errors_warn(struct errors *, const struct position *,
	    const char *fmt, ...)
	    __attribute__((__format__(__printf__, 3, 4)));
/*
 * Of something that the parser reads as something else, and each version of
 * it differently: what is found in that line afterwards is left out.
 */
void	errors_misread(struct errors *, const struct position *,
	    const char *fmt, ...)
	    __attribute__((__format__(__printf__, 3, 4)));
void	errors_free(struct errors *);

#endif
