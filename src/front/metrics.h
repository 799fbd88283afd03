/*
 * metrics.h - what the daemon knows, for Prometheus
 *
 * The text format, version 0.0.4.  Every metric is described in
 * mailbraked(8).  Their number grows with the egresses, the lists and the
 * sender domains, each by itself, and never with one times the other.
 *
 * Pure: made of the same JSON that `mailbrake --json` prints.
 */
#ifndef MAILBRAKE_FRONT_METRICS_H
#define MAILBRAKE_FRONT_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/board.h"

struct metrics_facts {
	const json_t	*status;	/* report_status() */
	const json_t	*incident;	/* report_incident(); NULL for none */
	uint64_t	 events[EVENT_KINDS];	/* since the start */
	double		 took_s;	/* to write all this down, last time */
};

/* The caller frees it. */
char	*metrics_render(const struct metrics_facts *, size_t *len);

#endif
