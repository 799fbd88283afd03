/*
 * scene.h - a board with its policy and its time, moved by hand
 *
 * The policy is written as an operator would; answers come as the checker
 * would report them.  Nothing waits: scene_pass() lets time go by.
 */
#ifndef MAILBRAKE_TESTS_SCENE_H
#define MAILBRAKE_TESTS_SCENE_H

#include <stdint.h>

#include "core/board.h"

#define SCENE_START	1795300000000LL		/* ms since the epoch */
#define SECOND		1000LL
#define MINUTE		(60 * SECOND)
#define HOUR		(60 * MINUTE)
#define DAY		(24 * HOUR)

struct scene {
	struct board	*board;
	int64_t		 now_ms;
	int64_t		 next_ms;	/* what the last tick asked for */
	char		 log[8192];	/* the events' sentences, a line each */
	void		 (*told)(const struct board_event *); /* or NULL */
};

/* A board under this configuration; every list of it is usable. */
void		 scene_open(struct scene *, const char *conf);
void		 scene_close(struct scene *);
void		 scene_reload(struct scene *, const char *conf);

/* One answer; code NULL is NXDOMAIN.  Nothing ticks. */
enum board_wish	 scene_answer(struct scene *, const char *subject,
		    const char *zone, const char *code, bool second_look);

/* As many answers as it takes, and a tick. */
void		 scene_list(struct scene *, const char *subject,
		    const char *zone, const char *code);
void		 scene_delist(struct scene *, const char *subject,
		    const char *zone);

/* A sweep: every list answers for every subject what it last did. */
void		 scene_sweep(struct scene *);

/* Lets time go by, in steps of at most a minute, with a sweep at each. */
void		 scene_pass(struct scene *, int64_t ms);
/* The same with nobody answering. */
void		 scene_pass_silently(struct scene *, int64_t ms);

void		 scene_override(struct scene *, const char *target,
		    enum word, int64_t for_ms, const char *reason);

/* Tick, publish, and take the events. */
void		 scene_tick(struct scene *);
/* Forgets the sentences so far. */
void		 scene_hush(struct scene *);

size_t		 scene_egress(const struct scene *, const char *name);
enum state	 scene_state(const struct scene *, const char *egress);
int		 scene_score(const struct scene *, const char *egress);

#endif
