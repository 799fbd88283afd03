/*
 * oneshot.h - all lists about some subjects, once, for `mailbrake check`
 *
 * Runs a loop of its own and returns when every list has answered or run
 * into its time-outs.  What it finds has the health of the list beside it,
 * but no second look.
 */
#ifndef MAILBRAKE_WATCH_ONESHOT_H
#define MAILBRAKE_WATCH_ONESHOT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/board.h"
#include "core/list.h"
#include "watch/resolver.h"

struct oneshot_conf {
	struct resolver_conf	 resolver;
	const struct list	*lists;
	size_t			 list_count;
	const struct subject	*subjects;
	size_t			 subject_count;
	/* Called after each list; may be NULL. */
	void			(*progress)(void *ctx, size_t done,
				    size_t total);
	void			*ctx;
};

/* Something that a usable list says of a subject. */
struct oneshot_hit {
	size_t			 subject, list;
	struct answer_seen	 seen;
	char			 text[BOARD_TEXT_MAX];	/* TXT, cleaned */
};

/* One list and one kind of subjects. */
struct oneshot_list {
	size_t			 list;
	enum subject_kind	 kind;
	enum health		 health;
	char			 reason[BOARD_REASON_MAX];
	char			 resolver[ENDPOINT_TEXT_MAX];
	size_t			 failed;	/* subjects without answer */
	size_t			 clean;		/* subjects that are clean */
};

struct oneshot_result {
	struct oneshot_hit	*hits;		/* heaviest first */
	size_t			 hit_count;
	struct oneshot_list	*lists;
	size_t			 list_count;
	uint64_t		 asked;		/* questions sent */
	int64_t			 took_ms;
};

/* NULL with *why set if there is no DNS server.  The caller frees it. */
struct oneshot_result	*oneshot_run(const struct oneshot_conf *,
			    const char **why);
void			 oneshot_free(struct oneshot_result *);

/* 0 clean, 1 something is listed, 2 a list with weight could not tell. */
int			 oneshot_status(const struct oneshot_conf *,
			    const struct oneshot_result *);

#endif
