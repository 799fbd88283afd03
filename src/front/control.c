/*
 * control.c - the socket that `mailbrake` talks to
 *
 * A client is an input line, an answer on its way out, or a follower of
 * events; nothing else is kept of it.  Four limits make sure that a bad one
 * costs little: the length of a line, the time between requests, the time
 * that written bytes may wait for their reader, and the number of clients.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE			/* struct ucred */
#endif
#include "front/control.h"

#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "front/listener.h"
#include "front/report.h"

#define CLIENTS_MAX	64
#define LINE_BYTES	65536		/* a request */
#define EVENTS_KEPT	1000
#define FOLLOW_BYTES	(4 * 1024 * 1024)	/* unread by a follower */
#define OVERRIDE_MAX_MS	(10LL * 366 * 86400000LL)

static const struct timeval idle_time = { 60, 0 };	/* without a request */
static const struct timeval write_time = { 20, 0 };	/* without progress */
static const struct timeval linger_time = { 2, 0 };	/* after an error */

struct client {
	LIST_ENTRY(client)	 entry;
	struct control		*control;
	struct bufferevent	*bev;
	struct event		*timer;
	long			 uid;		/* -1: not known */
	uint64_t		 ticket;	/* waits for an answer; or 0 */
	bool			 following;
	bool			 eof;		/* it sends no more */
	bool			 closing;	/* we answer no more */
	bool			 lingering;	/* and have said so */
};

LIST_HEAD(client_list, client);

struct control {
	struct board		*board;
	struct control_ops	 ops;
	char			*version, *host, *config_file;	/* of ops */
	void			*ctx;
	struct endpoint		 endpoint;
	struct event_base	*base;
	struct listener		*listener;
	struct client_list	 clients;
	size_t			 client_count;
	char			*events[EVENTS_KEPT];	/* JSON, a ring */
	size_t			 event_count;		/* ever */
	uint64_t		 ticket;		/* the last one */
};

/* Answers one request; NULL and *error set if it is refused. */
typedef json_t *handler(struct client *, json_t *request, const char **error);

static handler	 handle_status, handle_lists, handle_reload, handle_override,
		    handle_explain, handle_events, handle_incident,
		    handle_tick, handle_fleet, handle_test_alert;

static const struct {
	const char	*name;
	handler		*handle;
} commands[] = {
	{ "status",	handle_status },
	{ "lists",	handle_lists },
	{ "fleet",	handle_fleet },
	{ "reload",	handle_reload },
	{ "override",	handle_override },
	{ "explain",	handle_explain },
	{ "events",	handle_events },
	{ "incident",	handle_incident },
	{ "tick",	handle_tick },
	{ "test-alert",	handle_test_alert },
};

#define COMMAND_COUNT	(sizeof(commands) / sizeof(commands[0]))

/* For messages made of values; good until the next request. */
static char	error_text[1024];

/* --- clients ----------------------------------------------------------- */

static void
client_free(struct client *cl)
{
	LIST_REMOVE(cl, entry);
	cl->control->client_count--;
	event_free(cl->timer);
	bufferevent_free(cl->bev);
	free(cl);
}

static struct evbuffer *
client_output(const struct client *cl)
{
	return bufferevent_get_output(cl->bev);
}

/* json_dump_callback_t */
static int
dump_cb(const char *bytes, size_t len, void *out)
{
	return evbuffer_add(out, bytes, len);
}

/* Takes data over. */
static void
client_answer(struct client *cl, json_t *data, bool more)
{
	struct evbuffer *out = client_output(cl);

	evbuffer_add_printf(out, "{\"ok\":true,\"more\":%s,\"data\":",
	    more ? "true" : "false");
	json_dump_callback(data, dump_cb, out, JSON_COMPACT |
	    JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	evbuffer_add(out, "}\n", 2);
	json_decref(data);
}

static void
client_refuse(struct client *cl, const char *why)
{
	struct evbuffer *out = client_output(cl);
	char clean[sizeof(error_text)];
	json_t *reply;

	text_clean(clean, sizeof(clean), why, strlen(why));
	reply = json_pack("{s:b, s:s}", "ok", 0, "error", clean);
	json_dump_callback(reply, dump_cb, out, JSON_COMPACT |
	    JSON_ENSURE_ASCII);
	evbuffer_add(out, "\n", 1);
	json_decref(reply);
}

/* For what is no request at all: whoever sent it speaks another protocol,
 * and guessing where its next line begins helps nobody. */
static void
client_reject(struct client *cl, const char *why)
{
	log_debug("control: closing a connection: %s", why);
	client_refuse(cl, why);
	cl->closing = true;
}

static void
client_request(struct client *cl, const char *line, size_t len)
{
	const char *name, *error = NULL;
	json_error_t wrong;
	json_t *request, *data;
	size_t i;

	request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &wrong);
	if (request == NULL || !json_is_object(request)) {
		snprintf(error_text, sizeof(error_text), "not a request: %s",
		    request == NULL ? wrong.text : "a JSON object is needed");
		json_decref(request);
		client_reject(cl, error_text);
		return;
	}
	name = json_string_value(json_object_get(request, "command"));
	if (name == NULL) {
		json_decref(request);
		client_reject(cl, "not a request: it has no \"command\"");
		return;
	}
	for (i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			break;
	}
	if (i == COMMAND_COUNT) {
		snprintf(error_text, sizeof(error_text),
		    "the daemon (version %s) does not know the command "
		    "\"%.32s\"", cl->control->ops.version, name);
		client_refuse(cl, error_text);
		json_decref(request);
		return;
	}
	if (cl->control->ops.settle != NULL)
		cl->control->ops.settle(cl->control->ctx);
	if ((data = commands[i].handle(cl, request, &error)) != NULL)
		client_answer(cl, data, cl->following);
	else if (cl->ticket == 0)
		client_refuse(cl, error);
	json_decref(request);
}

/* Handles the lines that have arrived, one answer at a time.  Does not free
 * the client. */
static void
client_read(struct client *cl)
{
	struct evbuffer *in = bufferevent_get_input(cl->bev);
	struct evbuffer_ptr eol;
	size_t len;
	char *line;

	if (cl->following || cl->closing) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	while (!cl->closing && !cl->following && cl->ticket == 0 &&
	    evbuffer_get_length(client_output(cl)) == 0) {
		eol = evbuffer_search_eol(in, NULL, NULL, EVBUFFER_EOL_LF);
		if (eol.pos > LINE_BYTES || (eol.pos == -1 &&
		    evbuffer_get_length(in) > LINE_BYTES)) {
			client_reject(cl, "not a request: the line is longer "
			    "than 64 kB");
			break;
		}
		if (eol.pos == -1)
			break;
		line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
		if (line == NULL)
			break;
		event_add(cl->timer, &idle_time);
		client_request(cl, line, len);
		free(line);
	}
	if (cl->following || cl->ticket != 0)
		event_del(cl->timer);
}

/* Reads on, and settles what happens when everything is said.  The last use
 * of cl. */
static void
client_go_on(struct client *cl)
{
	client_read(cl);
	if (evbuffer_get_length(client_output(cl)) > 0) {
		/* write_cb comes back.  Until then it may ask, but is not
		 * heard (a high-water mark would do that too, if libevent
		 * did not call back for as long as it is reached). */
		if (!cl->following)
			bufferevent_disable(cl->bev, EV_READ);
		return;
	}
	if (cl->ticket != 0) {
		/* control_reply() goes on. */
		bufferevent_disable(cl->bev, EV_READ);
		return;
	}
	if (!cl->eof)
		bufferevent_enable(cl->bev, EV_READ);
	if (cl->eof) {
		client_free(cl);
	} else if (cl->closing && !cl->lingering) {
		/* Closing on unread bytes would make TCP throw away the
		 * error that we have just sent. */
		cl->lingering = true;
		shutdown(bufferevent_getfd(cl->bev), SHUT_WR);
		event_add(cl->timer, &linger_time);
	}
}

static void
read_cb(struct bufferevent *bev, void *arg)
{
	(void)bev;
	client_go_on(arg);
}

static void
write_cb(struct bufferevent *bev, void *arg)
{
	(void)bev;
	client_go_on(arg);
}

static void
event_cb(struct bufferevent *bev, short what, void *arg)
{
	struct client *cl = arg;

	(void)bev;
	if (what & BEV_EVENT_EOF) {
		cl->eof = true;		/* it may still read */
		client_go_on(cl);
		return;
	}
	if (what & BEV_EVENT_TIMEOUT)
		log_debug("control: dropping a client that does not read");
	client_free(cl);
}

static void
timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct client *cl = arg;

	(void)fd;
	(void)what;
	/* While it still takes its answer, the write time-out watches. */
	if (!cl->lingering && evbuffer_get_length(client_output(cl)) > 0)
		event_add(cl->timer, &idle_time);
	else
		client_free(cl);
}

/* The user at the other end of a Unix socket, or -1.  What the kernel says,
 * not what the peer says. */
static long
peer_uid(int fd)
{
#ifdef HAVE_GETPEEREID
	uid_t uid;
	gid_t gid;

	if (getpeereid(fd, &uid, &gid) == 0)
		return (long)uid;
#elif defined(SO_PEERCRED)
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		return (long)cred.uid;
#else
	(void)fd;
#endif
	return -1;
}

static void
accept_cb(struct evconnlistener *lev, evutil_socket_t fd,
    struct sockaddr *peer, int peer_len, void *arg)
{
	static const char busy[] = "{\"ok\":false,\"error\":\"too many "
	    "connections to the control socket: try again\"}\n";
	struct control *control = arg;
	struct client *cl;

	(void)lev;
	(void)peer_len;
	if (control->client_count >= CLIENTS_MAX) {
		/* One short write to a new socket fits its buffer. */
		if (send(fd, busy, sizeof(busy) - 1, MSG_NOSIGNAL) == -1)
			log_debug("control: too many connections");
		evutil_closesocket(fd);
		return;
	}
	cl = xcalloc(1, sizeof(*cl));
	cl->control = control;
	cl->uid = peer->sa_family == AF_UNIX ? peer_uid(fd) : -1;
	cl->timer = evtimer_new(control->base, timer_cb, cl);
	cl->bev = bufferevent_socket_new(control->base, fd,
	    BEV_OPT_CLOSE_ON_FREE);
	if (cl->timer == NULL || cl->bev == NULL)
		fatalx("out of memory");
	LIST_INSERT_HEAD(&control->clients, cl, entry);
	control->client_count++;
	bufferevent_setcb(cl->bev, read_cb, write_cb, event_cb, cl);
	bufferevent_set_timeouts(cl->bev, NULL, &write_time);
	bufferevent_enable(cl->bev, EV_READ | EV_WRITE);
	event_add(cl->timer, &idle_time);
}

/* --- requests ---------------------------------------------------------- */

/* json_unpack_ex() with the error as a sentence.  The "command" is always
 * there and always left over, hence taken out first. */
#define UNPACK(request, wrong, ...)					\
	(json_object_del(request, "command"),				\
	json_unpack_ex(request, wrong, JSON_STRICT, __VA_ARGS__) == 0)

static const char *
bad_request(const json_error_t *wrong)
{
	snprintf(error_text, sizeof(error_text), "bad request: %s",
	    wrong->text);
	return error_text;
}

static json_t *
handle_status(struct client *cl, json_t *request, const char **error)
{
	struct control *control = cl->control;
	json_error_t wrong;

	if (!UNPACK(request, &wrong, "{}")) {
		*error = bad_request(&wrong);
		return NULL;
	}
	return report_status(control->board, &control->ops, control->ctx,
	    clock_wall_ms());
}

static json_t *
handle_fleet(struct client *cl, json_t *request, const char **error)
{
	struct control *control = cl->control;
	json_error_t wrong;

	if (!UNPACK(request, &wrong, "{}")) {
		*error = bad_request(&wrong);
		return NULL;
	}
	return report_fleet(control->board, &control->ops, control->ctx,
	    error);
}

static json_t *
handle_lists(struct client *cl, json_t *request, const char **error)
{
	struct control *control = cl->control;
	json_error_t wrong;

	if (!UNPACK(request, &wrong, "{}")) {
		*error = bad_request(&wrong);
		return NULL;
	}
	return report_lists(control->board, &control->ops, control->ctx);
}

/* The book as far as it is asked for: one incident, and how many there
 * are. */
static json_t *
incident_answer(struct control *control, int64_t id)
{
	const struct incidents *book = control->ops.incidents(control->ctx);
	const struct policy *p = board_policy(control->board);
	const struct incident *in = incidents_find(book, id);
	json_t *o = json_object(), *ids = json_array();
	size_t i;

	for (i = 0; i < incidents_count(book); i++)
		json_array_append_new(ids,
		    json_integer(incidents_get(book, i)->id));
	json_object_set_new(o, "ids", ids);
	json_object_set_new(o, "incident", in == NULL ? json_null() :
	    report_incident(in, p));
	return o;
}

static json_t *
handle_incident(struct client *cl, json_t *request, const char **error)
{
	struct control *control = cl->control;
	json_int_t id = 0;
	json_error_t wrong;

	if (!UNPACK(request, &wrong, "{s?I}", "id", &id)) {
		*error = bad_request(&wrong);
		return NULL;
	}
	if (control->ops.incidents == NULL) {
		*error = "no incidents are kept";
		return NULL;
	}
	if (id != 0 && incidents_find(control->ops.incidents(control->ctx),
	    id) == NULL) {
		*error = "there is no incident of that number";
		return NULL;
	}
	return incident_answer(control, id);
}

static json_t *
handle_tick(struct client *cl, json_t *request, const char **error)
{
	struct control *control = cl->control;
	const char *step, *zone = NULL, *note = "", *as = NULL;
	char who[INCIDENT_BY_MAX];
	enum incident_step what;
	json_int_t id = 0;
	json_error_t wrong;

	if (!UNPACK(request, &wrong, "{s?I, s:s, s?s, s?s, s?s}", "id", &id,
	    "step", &step, "zone", &zone, "note", &note, "as", &as)) {
		*error = bad_request(&wrong);
		return NULL;
	}
	if (!incident_step_parse(step, &what)) {
		*error = "bad request: \"step\" must be cause, removed or "
		    "asked";
		return NULL;
	}
	if (control->ops.tick == NULL) {
		*error = "no incidents are kept";
		return NULL;
	}
	text_clean(who, sizeof(who), as != NULL ? as : "somebody",
	    as != NULL ? strlen(as) : 8);
	*error = control->ops.tick(control->ctx, id, what, zone, who, note);
	return *error != NULL ? NULL : incident_answer(control, id);
}

static json_t *
handle_reload(struct client *cl, json_t *request, const char **error)
{
	struct control *control = cl->control;
	char *errors = NULL, *line, *rest;
	json_error_t wrong;
	json_t *lines;

	if (!UNPACK(request, &wrong, "{}")) {
		*error = bad_request(&wrong);
		return NULL;
	}
	if (control->ops.reload(control->ctx, &errors))
		return json_pack("{s:b, s:[]}", "reloaded", 1, "errors");
	lines = json_array();
	rest = errors;
	while ((line = strsep(&rest, "\n")) != NULL) {
		char clean[1024];

		if (*line != '\0')
			json_array_append_new(lines, json_string(text_clean(
			    clean, sizeof(clean), line, strlen(line))));
	}
	free(errors);
	return json_pack("{s:b, s:o}", "reloaded", 0, "errors", lines);
}

/* "auto" is the name of no word. */
static bool
parse_word(const char *text, enum word *out)
{
	static const enum word words[] = { WORD_NONE, WORD_STOP, WORD_SEND };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, word_name(words[i])) == 0) {
			*out = words[i];
			return true;
		}
	}
	return false;
}

static bool
has_override(const struct board *board, const char *target)
{
	size_t i;

	for (i = 0; i < board_override_count(board); i++) {
		if (text_same(board_get_override(board, i)->target, target))
			return true;
	}
	return false;
}

/* Who said it as far as the kernel knows, so that status and events can
 * tell.  The sender sees the reason, hence it is not in there. */
static void
write_source(struct override *o, long uid)
{
	if (uid >= 0)
		snprintf(o->source, sizeof(o->source), "uid %u",
		    (unsigned int)uid);
	else
		text_copy(o->source, sizeof(o->source), "control");
}

/* The name is what the tool says, the source what we know. */
static void
log_override(const struct override *o, const char *word, const char *as)
{
	char who[64] = "somebody";

	if (as != NULL)
		text_clean(who, sizeof(who), as, strlen(as));
	log_info("control: %s (%s) says \"%s\" for %s", who, o->source, word,
	    o->target);
}

static json_t *
handle_override(struct client *cl, json_t *request, const char **error)
{
	struct control *control = cl->control;
	const char *word, *target, *reason = NULL, *as = NULL, *why;
	struct override o = { 0 };
	json_int_t for_ms = 0;
	int64_t now_ms = clock_wall_ms();
	json_error_t wrong;
	json_t *data;
	bool had;

	if (!UNPACK(request, &wrong, "{s:s, s:s, s?I, s?s, s?s}",
	    "word", &word, "target", &target, "for_ms", &for_ms,
	    "reason", &reason, "as", &as)) {
		*error = bad_request(&wrong);
		return NULL;
	}
	if (!parse_word(word, &o.word)) {
		*error = "bad request: \"word\" must be stop, send or auto";
		return NULL;
	}
	if (for_ms < 0 || for_ms > OVERRIDE_MAX_MS) {
		*error = "bad request: \"for_ms\" must be 0 to ten years";
		return NULL;
	}
	if ((why = board_target(control->board, target, o.target)) != NULL) {
		/* The word for an egress that has left the configuration
		 * must be removable all the same. */
		if (o.word != WORD_NONE ||
		    !has_override(control->board, target)) {
			snprintf(error_text, sizeof(error_text),
			    "\"%.*s\" %s%s", BOARD_NAME_MAX, target, why,
			    strstr(why, "no egress") != NULL ?
			    ": \"mailbrake status --all\" names them" : "");
			*error = error_text;
			return NULL;
		}
		text_copy(o.target, sizeof(o.target), target);
	}
	if (o.word != WORD_NONE) {
		o.until_ms = for_ms > 0 ? now_ms + for_ms : 0;
		if (reason != NULL)
			text_clean(o.reason, sizeof(o.reason), reason,
			    strlen(reason));
	}
	write_source(&o, cl->uid);
	had = has_override(control->board, o.target);
	log_override(&o, word, as);
	why = NULL;
	if (!control->ops.override(control->ctx, &o, &why)) {
		*error = why != NULL ? why : "the daemon did not take it";
		return NULL;
	}
	data = report_override(control->board, &o, now_ms);
	json_object_set_new(data, "replaced", json_boolean(had));
	return data;
}

static json_t *
handle_explain(struct client *cl, json_t *request, const char **error)
{
	struct envelope env = { 0 };
	json_error_t wrong;
	int must_take = 0;

	if (!UNPACK(request, &wrong, "{s:s, s?s, s?s, s?s, s?b}",
	    "sender", &env.sender, "recipient", &env.recipient,
	    "account", &env.account, "transport", &env.transport,
	    "must_take", &must_take)) {
		*error = bad_request(&wrong);
		return NULL;
	}
	env.must_take = must_take != 0;
	return report_explain(cl->control->board, &env, clock_wall_ms());
}

static void
send_event(struct client *cl, const char *json)
{
	evbuffer_add_printf(client_output(cl),
	    "{\"ok\":true,\"more\":true,\"data\":%s}\n", json);
}

static json_t *
handle_events(struct client *cl, json_t *request, const char **error)
{
	struct control *control = cl->control;
	json_int_t last = EVENTS_KEPT;
	json_error_t wrong;
	int follow = 0;
	size_t i, count;

	if (!UNPACK(request, &wrong, "{s?I, s?b}", "last", &last,
	    "follow", &follow)) {
		*error = bad_request(&wrong);
		return NULL;
	}
	if (last < 0) {
		*error = "bad request: \"last\" must not be negative";
		return NULL;
	}
	count = control->event_count < EVENTS_KEPT ? control->event_count :
	    EVENTS_KEPT;
	if ((uint64_t)last < count)
		count = (size_t)last;
	for (i = control->event_count - count; i < control->event_count; i++)
		send_event(cl, control->events[i % EVENTS_KEPT]);
	cl->following = follow != 0;
	/* The line without an event ends what was kept. */
	return json_null();
}

/* Answered when the hooks have run, by control_reply(). */
static json_t *
handle_test_alert(struct client *cl, json_t *request, const char **error)
{
	struct control *control = cl->control;
	const char *hook = NULL;
	json_error_t wrong;

	if (!UNPACK(request, &wrong, "{s?s}", "hook", &hook)) {
		*error = bad_request(&wrong);
		return NULL;
	}
	if (control->ops.test_alert == NULL) {
		*error = "no hooks are run";
		return NULL;
	}
	cl->ticket = ++control->ticket;
	*error = control->ops.test_alert(control->ctx, hook, cl->ticket);
	if (*error != NULL)
		cl->ticket = 0;
	return NULL;
}

/* --- the daemon's side ------------------------------------------------- */

void
control_event(struct control *control, const struct board_event *ev)
{
	json_t *json = report_event(ev);
	struct client *cl, *next;
	char **slot;

	slot = &control->events[control->event_count++ % EVENTS_KEPT];
	free(*slot);
	*slot = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(json);
	if (*slot == NULL)
		fatalx("out of memory");
	for (cl = LIST_FIRST(&control->clients); cl != NULL; cl = next) {
		next = LIST_NEXT(cl, entry);
		if (!cl->following || cl->eof)
			continue;
		if (evbuffer_get_length(client_output(cl)) > FOLLOW_BYTES) {
			log_debug("control: dropping a follower that does "
			    "not read");
			client_free(cl);
			continue;
		}
		send_event(cl, *slot);
	}
}

void
control_reply(struct control *control, uint64_t ticket, json_t *data,
    bool more)
{
	struct client *cl;

	LIST_FOREACH(cl, &control->clients, entry) {
		if (cl->ticket == ticket)
			break;
	}
	if (cl == NULL) {
		json_decref(data);
		return;
	}
	client_answer(cl, data, more);
	if (!more) {
		cl->ticket = 0;		/* write_cb goes on from here */
		event_add(cl->timer, &idle_time);
	}
}

struct control *
control_start(struct event_base *base, struct board *board,
    const struct endpoint *endpoint, const struct control_ops *ops, void *ctx)
{
	struct control *control;
	mode_t mask;
	int fd;

	/* Created closed, opened below: nobody slips in between. */
	mask = umask(0177);
	fd = listener_socket(endpoint, "control");
	umask(mask);
	if (fd == -1)
		return NULL;
	if (endpoint->kind == ENDPOINT_UNIX &&
	    chmod(endpoint->path, 0660) == -1) {
		log_warn("control: cannot set the mode of %s",
		    endpoint->path);
		evutil_closesocket(fd);
		return NULL;
	}
	control = xcalloc(1, sizeof(*control));
	control->base = base;
	control->board = board;
	control->ops = *ops;
	control->ops.version = control->version = xstrdup(ops->version);
	control->ops.host = control->host = xstrdup(ops->host);
	control->ops.config_file = control->config_file =
	    xstrdup(ops->config_file);
	control->ctx = ctx;
	control->endpoint = *endpoint;
	LIST_INIT(&control->clients);
	control->listener = listener_new(base, fd, accept_cb, control);
	if (control->listener == NULL)
		fatalx("out of memory");
	return control;
}

void
control_stop(struct control *control)
{
	struct client *cl;
	size_t i;

	if (control == NULL)
		return;
	while ((cl = LIST_FIRST(&control->clients)) != NULL)
		client_free(cl);
	listener_free(control->listener);
	if (control->endpoint.kind == ENDPOINT_UNIX)
		unlink(control->endpoint.path);
	for (i = 0; i < EVENTS_KEPT; i++)
		free(control->events[i]);
	free(control->version);
	free(control->host);
	free(control->config_file);
	free(control);
}
