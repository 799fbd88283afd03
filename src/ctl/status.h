/*
 * status.h - the status of the daemon for people
 *
 * Apart from the command so that a test can look at a page without a daemon.
 */
#ifndef MAILBRAKE_CTL_STATUS_H
#define MAILBRAKE_CTL_STATUS_H

#include <stdbool.h>

#include <jansson.h>

#include "ctl/args.h"
#include "ctl/layout.h"

/* The object that "status" answers, see mailbrake(1).  all: also every
 * egress of a large fleet that is simply sending. */
void	status_print(const struct screen *, const json_t *status, bool all);

/* mailbrake status --fleet; its exit status. */
int	fleet_run(const struct args *);
/* The object that "fleet" answers. */
void	fleet_print(const struct screen *, const json_t *fleet,
	    int64_t now_ms);

/* The array that "lists" answers.  now_ms is wall clock. */
void	lists_print(const struct screen *, const json_t *lists,
	    int64_t now_ms);
/* Lists that fail alike fail for one reason, and one line is enough: writes
 * the zones of those like the one at from, as many as people want to read.
 * False if they are with an earlier one. */
#define LISTS_ALIKE_MAX	1400
bool	lists_alike(const json_t *lists, size_t from, char *zones,
	    size_t size);

#endif
