/*
 * report.h - what the daemon knows, as JSON
 *
 * The objects that `mailbrake --json` prints; their fields are described in
 * mailbrake(1).  Times are ISO 8601 in UTC or null, text is ASCII and on one
 * line.  Event-loop thread.  The caller owns what is returned.
 */
#ifndef MAILBRAKE_FRONT_REPORT_H
#define MAILBRAKE_FRONT_REPORT_H

#include <stdint.h>

#include <jansson.h>

#include "core/board.h"
#include "core/decide.h"
#include "core/incident.h"
#include "front/control.h"

json_t	*report_status(struct board *, const struct control_ops *,
	    void *ctx, int64_t now_ms);
json_t	*report_lists(const struct board *, const struct control_ops *,
	    void *ctx);
/* One record, and what the catalogue knows of its lists. */
json_t	*report_incident(const struct incident *, const struct policy *);
/* NULL, and *why set, where there is no fleet. */
json_t	*report_fleet(const struct board *, const struct control_ops *,
	    void *ctx, const char **why);
json_t	*report_event(const struct board_event *);

/* Asks decide() with the current view, uncounted. */
json_t	*report_explain(struct board *, const struct envelope *,
	    int64_t now_ms);

/* How things stand after an operator's word about target. */
json_t	*report_override(const struct board *, const struct override *,
	    int64_t now_ms);

#endif
