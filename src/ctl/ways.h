/*
 * ways.h - the ways out in a status: gate, maps, pools
 */
#ifndef MAILBRAKE_CTL_WAYS_H
#define MAILBRAKE_CTL_WAYS_H

#include <stdint.h>

#include <jansson.h>

#include "ctl/layout.h"

/* What of it needs a hand, a line each with "!" before it. */
void	ways_warn(const struct screen *, const json_t *status);

/* Who stands in for whom, and which maps are asked; nothing where there is
 * nothing of the kind. */
void	ways_print(const struct screen *, const json_t *status,
	    int64_t now_ms);

#endif
