/*
 * front.h - what all front ends have in common
 *
 * Counters that any thread may raise and `mailbrake status` reads, because
 * a brake that no mail server asks is the worst state of all.
 */
#ifndef MAILBRAKE_FRONT_FRONT_H
#define MAILBRAKE_FRONT_FRONT_H

#include <stdatomic.h>
#include <stdint.h>

#include "core/board.h"
#include "core/decide.h"

enum front_kind {
	FRONT_MILTER,
	FRONT_POLICY,
	FRONT_SOCKETMAP,
	FRONT_KINDS
};

struct front_stats {
	_Atomic uint64_t	requests;
	_Atomic uint64_t	by_action[ACT_KINDS];
	_Atomic uint64_t	would[ACT_KINDS];	/* observe mode */
	_Atomic uint64_t	malformed;
	_Atomic uint64_t	connections;		/* open now */
	_Atomic int64_t		last_ms;		/* wall; 0 never */
};

extern struct front_stats	front_stats[FRONT_KINDS];

const char	*front_name(enum front_kind);

/* decide() with the current view, counted.  Writes the line for the sender
 * into text[VERDICT_TEXT_MAX] unless the message passes.  Any thread. */
enum action	 front_ask(enum front_kind, struct board *,
		    const struct envelope *, char *text);

/* The same without counting: a second look at what was asked before. */
enum action	 front_look(struct board *, const struct envelope *,
		    char *text);

#endif
