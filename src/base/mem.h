/*
 * mem.h - allocation that succeeds or ends the process
 *
 * For start-up and for small things of bounded size.  What a peer can make
 * large is bounded before it comes here.
 */
#ifndef MAILBRAKE_BASE_MEM_H
#define MAILBRAKE_BASE_MEM_H

#include <stddef.h>

void	*xcalloc(size_t count, size_t size);
void	*xreallocarray(void *, size_t count, size_t size);
char	*xstrdup(const char *);			/* NULL stays NULL */
char	*xasprintf(const char *fmt, ...)
	    __attribute__((__format__(__printf__, 1, 2)));

#endif
