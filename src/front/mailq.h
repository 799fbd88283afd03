/*
 * mailq.h - Postfix' queue, by its own command
 *
 * postqueue(1) lists, flushes, and tries single messages.  It needs no root,
 * but the group postdrop: it is set-gid, which a service manager may have
 * taken away (NoNewPrivileges), and then a supplementary group does as well.
 * It may be refused to us by authorized_flush_users and
 * authorized_mailq_users.
 *
 * Both -f and -i make the queue manager forget which destinations it has
 * given up for a while.  -i takes one message a run, about 10 ms.
 *
 * One operation at a time.  All calls and callbacks on the thread of the
 * event loop; a callback never comes before its function returns.
 */
#ifndef MAILBRAKE_FRONT_MAILQ_H
#define MAILBRAKE_FRONT_MAILQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAILQ_ID_MAX	40

struct children;
struct mailq;				/* opaque, see mailq.c */

/* Whose is a message that a shut gate has put off? */
enum mailq_whose {
	MAILQ_UNKNOWN,
	MAILQ_MINE,		/* of the egress that was asked for */
	MAILQ_OTHERS
};

/* sender as postqueue(1) has it: the null sender is "MAILER-DAEMON". */
typedef enum mailq_whose mailq_whose_fn(void *ctx, const char *egress,
	    const char *sender, const char *recipient);

struct mailq_conf {
	const char	*config_directory; /* Postfix's; NULL: its default */
	mailq_whose_fn	*whose;		/* NULL: it is never known */
	void		*whose_ctx;
	int64_t		 timeout_ms;	/* for each postqueue; 0: 60 s */
	size_t		 parallel;	/* releases at once; 0: 2 */
};

struct mailq_message {
	char		 id[MAILQ_ID_MAX];
	int64_t		 arrival_s;	/* since the epoch */
	bool		 tried;		/* released by us, and back again */
};

/* What a listing found.  Borrowed until the callback returns. */
struct mailq_list {
	const char	*error;		/* NULL: it is complete */
	size_t		 total;		/* messages in the queue */
	size_t		 active;	/* being delivered now */
	size_t		 waiting;	/* put off because of the egress */
	const struct mailq_message *messages;	/* of these, the first */
	size_t		 count;		/* max, at most */
};

typedef void mailq_list_fn(void *ctx, const struct mailq_list *);

/* error is NULL, or what went wrong and what to do. */
typedef void mailq_done_fn(void *ctx, size_t count, const char *error);

/* NULL if this host has no postqueue. */
struct mailq	*mailq_new(struct children *, const struct mailq_conf *);
void		 mailq_free(struct mailq *);	/* NULL is allowed */

bool		 mailq_busy(const struct mailq *);

/* Ends what is being done, without a callback. */
void		 mailq_cancel(struct mailq *);

/* Everything is tried now.  count is 0. */
void		 mailq_flush(struct mailq *, mailq_done_fn *, void *ctx);

/*
 * The messages that wait because egress is stopped, at most max of them:
 * those that were not tried yet first, then the oldest.  A message waits for
 * egress if a recipient's reason names it, "[mailbrake mx1]", or is that of
 * a shut gate, which names nobody, and it may be its; sure: only if it is.
 */
void		 mailq_list(struct mailq *, const char *egress, size_t max,
		    bool sure, mailq_list_fn *, void *ctx);

/* Tries these now: at least one, with ids as a listing gives them; they are
 * copied.  count is how many were handed over. */
void		 mailq_release(struct mailq *, const char *const *ids,
		    size_t count, mailq_done_fn *, void *ctx);

/*
 * One line of postqueue -j.  False if it is no message at all; *waits is
 * true if it waits for egress, or if it may.  As pure as the function that
 * is asked whose it is; that may be NULL.
 */
enum mailq_waits { MAILQ_WAITS_NOT, MAILQ_MAY_WAIT, MAILQ_WAITS };

bool		 mailq_parse(const char *line, size_t bytes,
		    const char *egress, mailq_whose_fn *, void *whose_ctx,
		    struct mailq_message *, bool *active,
		    enum mailq_waits *waits);

#endif
