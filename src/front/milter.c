/*
 * milter.c - the milter front end, for Postfix and Sendmail
 *
 * Any thread of libmilter may run any callback of a connection, though one
 * at a time, so all that is remembered hangs on the connection.  The board
 * is used under a lock that only milter_stop() ever takes for writing.
 */
#include "front/milter.h"

#include <sys/socket.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "front/front.h"
#include "front/listener.h"
#include "front/milter_signals.h"

#define BACKLOG		1024
#define SIGNALS_MS	5000	/* for libmilter's threads to start */
#define RECIPIENTS_MAX	64	/* remembered for the second look */
#define ADDRESS_MAX	1024	/* bytes; longer ones are not remembered */

/* An accepted recipient, for all of the same domain and transport. */
struct recipient {
	char	*address;
	char	*transport;	/* NULL: not known */
};

/* A connection, and the message that it is about. */
struct session {
	char			*sender;	/* NULL: no message */
	char			*account;
	bool			 must_take;
	bool			 more;		/* recipients, not remembered */
	char			*hold;		/* the reason, or NULL */
	struct recipient	*recipients;
	size_t			 recipient_count;
};

static struct {
	pthread_rwlock_t	 lock;
	struct board		*board;		/* NULL once stopped */
	struct endpoint		 where;
} milter = { .lock = PTHREAD_RWLOCK_INITIALIZER };

static void
forget_message(struct session *s)
{
	size_t i;

	for (i = 0; i < s->recipient_count; i++) {
		free(s->recipients[i].address);
		free(s->recipients[i].transport);
	}
	free(s->recipients);
	free(s->hold);
	free(s->account);
	free(s->sender);
	memset(s, 0, sizeof(*s));
}

/* Made by the first message and not by the connection: an MTA may end one
 * session and begin the next on the same connection without negotiating. */
static struct session *
session_get(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	if (s == NULL) {
		s = xcalloc(1, sizeof(*s));
		smfi_setpriv(ctx, s);
		atomic_fetch_add(&front_stats[FRONT_MILTER].connections, 1);
	}
	return s;
}

static const char *
macro(SMFICTX *ctx, const char *name)
{
	const char *value = smfi_getsymval(ctx, (char *)(uintptr_t)name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* "<ann@example.org>" as in SMTP, or bare as Postfix has it for mail of
 * sendmail(1). */
static char *
address(const char *arg)
{
	char *copy;
	size_t len;

	if (arg[0] != '<')
		return xstrdup(arg);
	copy = xstrdup(arg + 1);
	len = strlen(copy);
	if (len > 0 && copy[len - 1] == '>')
		copy[len - 1] = '\0';
	return copy;
}

/*
 * Postfix's pickup shows mail of sendmail(1) to non_smtpd_milters as coming
 * from port 0.  A server too old to be asked for these macros does not name
 * a port at all; its addresses of such mail lack the angle brackets.
 */
static bool
came_from_sendmail(SMFICTX *ctx, const char *sender)
{
	const char *client = macro(ctx, "{client_port}");
	const char *daemon = macro(ctx, "{daemon_port}");

	if (client == NULL && daemon == NULL)
		return sender[0] != '<';
	return (client != NULL && strcmp(client, "0") == 0) ||
	    (daemon != NULL && strcmp(daemon, "0") == 0);
}

/* The decision; count: as a new question.  False once we are stopping. */
static bool
ask(bool count, const struct envelope *env, enum action *act, char *text)
{
	bool running;

	pthread_rwlock_rdlock(&milter.lock);
	if ((running = milter.board != NULL))
		*act = count ? front_ask(FRONT_MILTER, milter.board, env,
		    text) : front_look(milter.board, env, text);
	pthread_rwlock_unlock(&milter.lock);
	return running;
}

/* libmilter takes the text for a format: a single % would vanish. */
static sfsistat
put_off(SMFICTX *ctx, const char *text)
{
	char twice[2 * VERDICT_TEXT_MAX];
	size_t i, out = 0;

	for (i = 0; text[i] != '\0' && out + 2 < sizeof(twice); i++) {
		if (text[i] == '%')
			twice[out++] = '%';
		twice[out++] = text[i];
	}
	twice[out] = '\0';
	smfi_setreply(ctx, (char *)(uintptr_t)"451",
	    (char *)(uintptr_t)"4.7.1", twice);
	return SMFIS_TEMPFAIL;
}

/*
 * Not needed: who connects, what the message is.  No answer to MAIL is
 * needed either, as recipients are what is decided; libmilter makes up for
 * servers that want one.
 */
static sfsistat
negotiate_cb(SMFICTX *ctx, unsigned long actions, unsigned long steps,
    unsigned long f2, unsigned long f3, unsigned long *want_actions,
    unsigned long *want_steps, unsigned long *want_f2, unsigned long *want_f3)
{
	static const struct {
		int		 stage;
		const char	*macros;
	} wanted[] = {
		{ SMFIM_ENVFROM,
		    "{auth_authen} {client_port} {daemon_port}" },
		{ SMFIM_ENVRCPT, "{rcpt_mailer}" },
		/* There is no way to ask for none. */
		{ SMFIM_CONNECT, "j" }, { SMFIM_HELO, "j" },
		{ SMFIM_DATA, "i" }, { SMFIM_EOH, "i" }, { SMFIM_EOM, "i" },
	};
	size_t i;

	(void)f2;
	(void)f3;
	*want_actions = actions & (SMFIF_QUARANTINE | SMFIF_SETSYMLIST);
	*want_steps = steps & (SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NODATA |
	    SMFIP_NOHDRS | SMFIP_NOEOH | SMFIP_NOBODY | SMFIP_NOUNKNOWN |
	    SMFIP_NR_MAIL);
	*want_f2 = *want_f3 = 0;
	if (actions & SMFIF_SETSYMLIST) {
		for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
			smfi_setsymlist(ctx, wanted[i].stage,
			    (char *)(uintptr_t)wanted[i].macros);
	}
	session_get(ctx);
	return SMFIS_CONTINUE;
}

static sfsistat
mail_cb(SMFICTX *ctx, char **argv)
{
	struct session *s = session_get(ctx);

	forget_message(s);
	s->sender = address(argv[0]);
	s->account = xstrdup(macro(ctx, "{auth_authen}"));
	s->must_take = came_from_sendmail(ctx, argv[0]);
	return SMFIS_NOREPLY;
}

/* For the second look at the end of the message. */
static void
remember(struct session *s, const struct envelope *env)
{
	struct recipient *r;
	size_t i;

	for (i = 0; i < s->recipient_count; i++) {
		r = &s->recipients[i];
		if (text_same(text_domain(r->address),
		    text_domain(env->recipient)) &&
		    text_same(r->transport, env->transport))
			return;
	}
	if (s->recipient_count == RECIPIENTS_MAX ||
	    strlen(env->recipient) > ADDRESS_MAX) {
		s->more = true;
		return;
	}
	if (s->recipients == NULL)
		s->recipients = xcalloc(RECIPIENTS_MAX, sizeof(*r));
	r = &s->recipients[s->recipient_count++];
	r->address = xstrdup(env->recipient);
	r->transport = xstrdup(env->transport);
}

static void
hold(struct session *s, const char *text)
{
	if (s->hold == NULL)
		s->hold = xstrdup(text);
}

static sfsistat
rcpt_cb(SMFICTX *ctx, char **argv)
{
	struct session *s = session_get(ctx);
	char text[VERDICT_TEXT_MAX], *to;
	struct envelope env = {
		.sender = s->sender,
		.account = s->account,
		.transport = macro(ctx, "{rcpt_mailer}"),
		.must_take = s->must_take,
	};
	sfsistat rv = SMFIS_CONTINUE;
	enum action act;

	env.recipient = to = address(argv[0]);
	if (!ask(true, &env, &act, text)) {
		rv = SMFIS_TEMPFAIL;
	} else if (act == ACT_TEMPFAIL && !s->must_take) {
		rv = put_off(ctx, text);
	} else {
		if (act == ACT_TEMPFAIL || act == ACT_HOLD)
			hold(s, text);
		remember(s, &env);
	}
	free(to);
	return rv;
}

/*
 * A message may be long in coming, and the brake may have been put on since
 * its recipients were accepted.  False once we are stopping.
 */
static bool
look_again(const struct session *s, enum action *worst, char *text)
{
	struct envelope env = {
		.sender = s->sender,
		.account = s->account,
		.must_take = s->must_take,
	};
	char other[VERDICT_TEXT_MAX];
	enum action act;
	size_t i, count = s->recipient_count + (s->more ? 1 : 0);

	*worst = ACT_PASS;
	for (i = 0; i < count && *worst != ACT_TEMPFAIL; i++) {
		/* Those that were too many to remember are decided as if
		 * nothing were known of them but the sender. */
		env.recipient = env.transport = NULL;
		if (i < s->recipient_count) {
			env.recipient = s->recipients[i].address;
			env.transport = s->recipients[i].transport;
		}
		if (!ask(false, &env, &act, other))
			return false;
		/* An answer that has changed is a new one. */
		if ((act == ACT_TEMPFAIL || act == ACT_HOLD) &&
		    s->hold == NULL && !ask(true, &env, &act, other))
			return false;
		if (act == ACT_TEMPFAIL && s->must_take)
			act = ACT_HOLD;
		if (act == ACT_TEMPFAIL ||
		    (act == ACT_HOLD && *worst != ACT_HOLD)) {
			*worst = act;
			text_copy(text, VERDICT_TEXT_MAX, other);
		}
	}
	return true;
}

static sfsistat
eom_cb(SMFICTX *ctx)
{
	struct session *s = session_get(ctx);
	char text[VERDICT_TEXT_MAX];
	sfsistat rv = SMFIS_CONTINUE;
	enum action act;

	if (!look_again(s, &act, text)) {
		rv = SMFIS_TEMPFAIL;
	} else if (act == ACT_TEMPFAIL) {
		rv = put_off(ctx, text);
	} else {
		if (act == ACT_HOLD)
			hold(s, text);
		/* Refused only by a server that never offered it. */
		if (s->hold != NULL &&
		    smfi_quarantine(ctx, s->hold) != MI_SUCCESS)
			rv = put_off(ctx, s->hold);
	}
	forget_message(s);
	return rv;
}

static sfsistat
abort_cb(SMFICTX *ctx)
{
	forget_message(session_get(ctx));
	return SMFIS_CONTINUE;
}

static sfsistat
close_cb(SMFICTX *ctx)
{
	struct session *s = smfi_getpriv(ctx);

	if (s != NULL) {
		forget_message(s);
		free(s);
		smfi_setpriv(ctx, NULL);
		atomic_fetch_sub(&front_stats[FRONT_MILTER].connections, 1);
	}
	return SMFIS_CONTINUE;
}

static void *
milter_main(void *arg)
{
	bool running;

	(void)arg;
	smfi_main();
	pthread_rwlock_rdlock(&milter.lock);
	running = milter.board != NULL;
	pthread_rwlock_unlock(&milter.lock);
	/* It cannot be started again in this process, and without it the
	 * mail server puts off all mail. */
	if (running)
		fatalx("milter: libmilter gave up, see its own lines in the "
		    "system's log: ending, to be started anew");
	return NULL;
}

/* libmilter's way to write an endpoint. */
static void
connection_text(const struct endpoint *e, char *buf, size_t size)
{
	char host[ADDR_TEXT_MAX];

	if (e->kind == ENDPOINT_UNIX)
		snprintf(buf, size, "unix:%s", e->path);
	else
		snprintf(buf, size, "%s:%u@[%s]", e->addr.family == ADDR_IPV6 ?
		    "inet6" : "inet", (unsigned int)e->port,
		    addr_text(&e->addr, host));
}

bool
milter_start(struct board *board, const struct endpoint *where,
    const char *socket_group)
{
	struct smfiDesc desc = {
		.xxfi_name = (char *)(uintptr_t)"mailbrake",
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_QUARANTINE | SMFIF_SETSYMLIST,
		.xxfi_envfrom = mail_cb,
		.xxfi_envrcpt = rcpt_cb,
		.xxfi_eom = eom_cb,
		.xxfi_abort = abort_cb,
		.xxfi_close = close_cb,
		.xxfi_negotiate = negotiate_cb,
	};
	char text[ENDPOINT_TEXT_MAX], conn[ENDPOINT_TEXT_MAX + 16];
	sigset_t all, old;
	pthread_t thread;
	int fd, error;

	/* libmilter would take over the path of a running program, and tells
	 * only the system's log why it cannot listen: try it ourselves. */
	if ((fd = listener_socket(where, "milter")) == -1)
		return false;
	if (where->kind == ENDPOINT_UNIX)
		unlink(where->path);
	close(fd);
	endpoint_text(where, text);
	connection_text(where, conn, sizeof(conn));
	smfi_setdbg(0);
	smfi_setbacklog(BACKLOG);
	if (smfi_register(desc) != MI_SUCCESS ||
	    smfi_setconn(conn) != MI_SUCCESS ||
	    smfi_opensocket(false) != MI_SUCCESS) {
		log_warnx("milter socket %s: libmilter cannot listen, see its "
		    "own line in the system's log", text);
		return false;
	}
	listener_permit(where, socket_group, "milter");
	milter.where = *where;
	milter.board = board;
	/* libmilter's threads inherit this. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&thread, NULL, milter_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error != 0) {
		errno = error;
		log_warn("milter: no thread for libmilter");
		return false;
	}
	pthread_detach(thread);
	if (!milter_signals_caught(SIGNALS_MS))
		fatalx("milter: libmilter waits for signals by other means "
		    "than sigwait(): SIGHUP would end it; build mailbraked "
		    "without options that keep it from replacing sigwait()");
	return true;
}

void
milter_stop(void)
{
	/* First, for a successor must not lose its own to us.  Not by
	 * smfi_stop(): it waits for up to five seconds. */
	if (milter.where.kind == ENDPOINT_UNIX)
		unlink(milter.where.path);
	milter.where.kind = ENDPOINT_NONE;
	pthread_rwlock_wrlock(&milter.lock);
	milter.board = NULL;
	pthread_rwlock_unlock(&milter.lock);
}
