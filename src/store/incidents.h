/*
 * incidents.h - the book of incidents as text, for the state file
 *
 * Event-loop thread.
 */
#ifndef MAILBRAKE_STORE_INCIDENTS_H
#define MAILBRAKE_STORE_INCIDENTS_H

#include <stdbool.h>

#include "core/incident.h"

/* The caller frees it. */
char	*incidents_write(const struct incidents *);

/* Into an empty book.  False if the text is none of ours; what could be
 * read is there all the same. */
bool	 incidents_read(struct incidents *, const char *text);

#endif
