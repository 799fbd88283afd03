/*
 * child.h - other people's programs, run without waiting for them
 *
 * For Postfix's commands and an operator's hooks.  A program gets a process
 * group of its own, default signals, no descriptors but its standard ones,
 * and a time limit: SIGTERM at its end, SIGKILL for the whole group soon
 * after.  At most so many run at once, the others wait in line.
 *
 * All calls and callbacks belong to the thread of the event loop; other
 * threads may exist.  SIGPIPE must be ignored.  Nothing is done about
 * SIGCHLD, and only these processes are waited for, each by its number.
 */
#ifndef MAILBRAKE_BASE_CHILD_H
#define MAILBRAKE_BASE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHILD_TEXT_MAX	400

struct event_base;
struct children;			/* those of one loop */
struct child;

enum child_end {
	CHILD_EXITED,		/* code: exit status */
	CHILD_SIGNALLED,	/* code: signal */
	CHILD_TIMED_OUT,	/* was ended by us */
	CHILD_NOT_STARTED,	/* code: errno */
};

/* Borrowed: good until the callback returns. */
struct child_result {
	const char	*name;		/* argv[0] without its directory */
	enum child_end	 end;
	int		 code;
	const char	*out, *err;	/* terminated, "" for nothing */
	size_t		 out_bytes, err_bytes;
	bool		 cut;		/* there was more than output_max */
	size_t		 long_lines;	/* not handed over: over line_max */
	int64_t		 took_ms;	/* since it was asked for */
};

typedef void child_done_fn(void *ctx, const struct child_result *);

/* One line of standard output, without its end.  Borrowed. */
typedef void child_line_fn(void *ctx, const char *line, size_t bytes);

/* Everything is copied. */
struct child_spec {
	const char *const *argv;	/* up to a NULL */
	const char *const *env;		/* "NAME=VALUE" up to a NULL; NULL:
					 * only what this process has */
	const void	*input;		/* for standard input; NULL: nothing */
	size_t		 input_bytes;
	int64_t		 timeout_ms;	/* from its start */
	size_t		 output_max;	/* bytes kept of each stream */
	child_line_fn	*line;		/* standard output goes here instead */
	size_t		 line_max;	/* bytes; longer ones are dropped */
};

/* NULL when libevent has no memory. */
struct children	*children_new(struct event_base *, size_t max_running);

/* Ends all that still run, without callbacks and without waiting.  Not from
 * a callback.  NULL is allowed. */
void		 children_free(struct children *);

/* Never calls back before it returns.  done is called exactly once, unless
 * the child is cancelled; after it the child is gone. */
struct child	*child_run(struct children *, const struct child_spec *,
		    child_done_fn *done, void *ctx);

/* Ends it and forgets it: no callback.  Not from its own done, as it is gone
 * then anyhow. */
void		 child_cancel(struct child *);

/* "postmap: status 1: postmap: fatal: open ..." for a log; returns buf.
 * What the program said is cleaned. */
const char	*child_text(const struct child_result *,
		    char buf[CHILD_TEXT_MAX]);

/* True if the program did what it was asked to: exit status 0. */
bool		 child_good(const struct child_result *);

/*
 * Where a program is: name itself if it has a '/', else the first in PATH
 * or in the directories where systems keep servers' programs.  False with
 * errno set if there is none.
 */
bool		 child_find(const char *name, char *path, size_t size);

#endif
