/*
 * test_control.c - the control socket, by real clients on a real loop
 *
 * The clients are sockets of this thread that never block; pump() lets the
 * loop run until what was waited for has happened, or fails at a deadline.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "core/board.h"
#include "front/control.h"

#define NOW_MS		1795300000000LL
#define DEADLINE_MS	20000

struct fixture {
	struct event_base	*base;
	struct board		*board;
	struct control		*control;
	struct endpoint		 endpoint;
	char			 dir[64];
	const char		*reload_errors;	/* NULL: it works */
	struct override		 told;		/* the last word */
	bool			 unsettled;	/* a stop that is to be drawn */
};

/* --- the daemon's side ------------------------------------------------- */

static bool
op_override(void *ctx, const struct override *o, const char **why)
{
	struct fixture *f = ctx;

	f->told = *o;
	if (!board_override(f->board, o, clock_wall_ms(), why))
		return false;
	board_publish(f->board);
	return true;
}

/* A fact that was told, and of which the view does not know yet. */
static void
op_settle(void *ctx)
{
	struct override o = { .target = "all", .word = WORD_STOP };
	struct fixture *f = ctx;
	const char *why;

	if (!f->unsettled)
		return;
	f->unsettled = false;
	assert_true(board_override(f->board, &o, clock_wall_ms(), &why));
	board_publish(f->board);
}

static bool
op_reload(void *ctx, char **errors)
{
	struct fixture *f = ctx;

	if (f->reload_errors == NULL)
		return true;
	*errors = xstrdup(f->reload_errors);
	return false;
}

static int64_t
op_next_check(void *ctx, int egress)
{
	(void)ctx;
	return NOW_MS + 1000 * (egress + 2);
}

static void
op_store(void *ctx, struct control_store *out)
{
	(void)ctx;
	out->redis = "down";
	out->why = "no\nanswer";
}

static const char *
op_front_where(void *ctx, enum front_kind kind)
{
	(void)ctx;
	return kind == FRONT_MILTER ? "unix:/run/m.sock" : NULL;
}

static struct policy *
new_policy(void)
{
	static const char *const addrs[] = { "203.0.113.7", "203.0.113.8" };
	struct policy *p = policy_new();
	struct egress *e;
	size_t i;

	p->confirm = 2;
	p->stop_score = 100;
	p->resume_clean = 3;
	p->resume_after_ms = 900000;
	p->resume_ramp_ms = 7200000;
	p->relapse_factor = 2;
	p->resume_max_wait_ms = 86400000;
	p->egress = xcalloc(2, sizeof(*p->egress));
	p->egress_count = 2;
	p->pools = xcalloc(1, sizeof(*p->pools));
	p->pool_count = 1;
	p->pools[0].name = xstrdup("default");
	p->pools[0].egress = xcalloc(2, sizeof(size_t));
	p->pools[0].egress_count = 2;
	p->pools[0].actions[0] = ACT_TEMPFAIL;
	p->pools[0].action_count = 1;
	for (i = 0; i < 2; i++) {
		e = &p->egress[i];
		e->name = xasprintf("mx%zu", i + 1);
		e->addrs = xcalloc(1, sizeof(*e->addrs));
		e->addr_count = 1;
		e->watched = true;
		e->traffic = xcalloc(1, sizeof(*e->traffic));
		assert_true(addr_parse(addrs[i], &e->addrs[0]));
		p->pools[0].egress[i] = i;
	}
	p->domains = xcalloc(1, sizeof(*p->domains));
	p->domain_count = 1;
	p->domains[0].name = xstrdup("news.example.com");
	p->domains[0].asked = xstrdup("example.com");
	p->lists = xcalloc(1, sizeof(*p->lists));
	p->list_count = 1;
	p->lists[0].zone = xstrdup("{key}.bl.test");
	p->lists[0].query_zone = xstrdup("secret.bl.test");
	p->lists[0].operator = xstrdup("test");
	p->lists[0].kinds[SUBJECT_IPV4] = true;
	p->lists[0].kinds[SUBJECT_DOMAIN] = true;
	p->lists[0].weight = 100;
	p->lists[0].enabled = true;
	p->lists[0].delist = xstrdup("https://bl.test/?ip={subject}&x");
	p->lists[0].note = xstrdup("gr\xc3\xbc\xc3\x9f" "e \xff");
	return p;
}

static int
setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct control_ops ops = {
		.version = "1.2", .host = "mail.test",
		.config_file = "/x.conf", .started_ms = NOW_MS,
		.override = op_override, .reload = op_reload,
		.next_check = op_next_check, .store = op_store,
		.front_where = op_front_where, .settle = op_settle,
	};
	struct policy *p = new_policy();
	char text[128];

	strcpy(f->dir, "/tmp/mailbrake-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(text, sizeof(text), "unix:%s/c.sock", f->dir);
	assert_null(endpoint_parse(text, &f->endpoint));
	f->base = event_base_new();
	f->board = board_new(p, NOW_MS);
	policy_unref(p);
	board_publish(f->board);
	f->control = control_start(f->base, f->board, &f->endpoint, &ops, f);
	assert_non_null(f->control);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	control_stop(f->control);
	assert_int_equal(access(f->endpoint.path, F_OK), -1);
	board_free(f->board);
	event_base_free(f->base);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

/* --- clients ----------------------------------------------------------- */

struct peer {
	int		 fd;
	struct evbuffer	*in;
};

static struct peer
dial_at(const struct endpoint *e)
{
	struct sockaddr_storage ss;
	socklen_t len = endpoint_sockaddr(e, &ss);
	struct peer p;

	p.fd = socket(ss.ss_family, SOCK_STREAM, 0);
	p.in = evbuffer_new();
	assert_int_equal(connect(p.fd, (struct sockaddr *)&ss, len), 0);
	fcntl(p.fd, F_SETFL, O_NONBLOCK);
	return p;
}

static struct peer
dial(struct fixture *f)
{
	return dial_at(&f->endpoint);
}

static void
pump(struct fixture *f)
{
	event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void
hang_up(struct fixture *f, struct peer *p)
{
	close(p->fd);
	evbuffer_free(p->in);
	pump(f);
}

/* All of it, however slowly it is taken, or until the other side closes. */
static void
push(struct fixture *f, struct peer *p, const char *bytes, size_t len)
{
	int64_t end_ms = clock_mono_ms() + DEADLINE_MS;
	ssize_t n;

	while (len > 0) {
		assert_true(clock_mono_ms() < end_ms);
		n = send(p->fd, bytes, len, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN)
			return;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
		pump(f);
	}
}

static void
say(struct fixture *f, struct peer *p, const char *line)
{
	push(f, p, line, strlen(line));
}

/* The next line as JSON; NULL at the end of the connection. */
static json_t *
pull(struct fixture *f, struct peer *p)
{
	int64_t end_ms = clock_mono_ms() + DEADLINE_MS;
	json_t *json;
	char *line;
	size_t len;
	int n;

	while ((line = evbuffer_readln(p->in, &len, EVBUFFER_EOL_LF)) ==
	    NULL) {
		assert_true(clock_mono_ms() < end_ms);
		pump(f);
		n = evbuffer_read(p->in, p->fd, 65536);
		if (n == 0 || (n == -1 && errno != EAGAIN))
			return NULL;
	}
	json = json_loadb(line, len, 0, NULL);
	assert_non_null(json);
	free(line);
	return json;
}

static json_t *
ask(struct fixture *f, const char *line)
{
	struct peer p = dial(f);
	json_t *reply;

	say(f, &p, line);
	reply = pull(f, &p);
	hang_up(f, &p);
	return reply;
}

/* The data of an answer that must be good. */
static json_t *
ask_data(struct fixture *f, const char *line)
{
	json_t *reply = ask(f, line), *data;

	assert_non_null(reply);
	if (!json_is_true(json_object_get(reply, "ok")))
		fail_msg("%s: %s", line, json_string_value(
		    json_object_get(reply, "error")));
	data = json_incref(json_object_get(reply, "data"));
	json_decref(reply);
	return data;
}

static const char *
text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL ? s : "(no text)";
}

static void
make_listed(struct fixture *f, const char *name)
{
	struct answer_seen a = { .kind = ANS_LISTED, .code = 0x7f000002,
	    .weight = 100, .name = "SBL" };
	int64_t now_ms = clock_wall_ms();
	size_t subject = (size_t)board_find_subject(f->board, name);

	board_health(f->board, 0, board_subject(f->board, subject)->kind,
	    HEALTH_USABLE, "", now_ms);
	board_answer(f->board, subject, 0, &a, false, now_ms - 60000);
	board_answer(f->board, subject, 0, &a, true, now_ms - 30000);
	board_text(f->board, subject, 0, "see \x1b[2J https://bl.test/");
	board_tick(f->board, now_ms);
	board_publish(f->board);
}

static void
add_event(struct fixture *f, int n)
{
	struct board_event ev = { .kind = EVENT_NOTE, .at_ms = NOW_MS };

	snprintf(ev.text, sizeof(ev.text), "event \x1b %d", n);
	control_event(f->control, &ev);
}

/* --- tests ------------------------------------------------------------- */

static void
test_socket_is_for_owner_and_group(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	assert_int_equal(stat(f->endpoint.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
}

static void
test_status_has_what_is_promised(void **state)
{
	struct fixture *f = *state;
	json_t *data, *e, *l;

	make_listed(f, "203.0.113.7");
	data = ask_data(f, "{\"command\":\"status\"}\n");
	assert_string_equal(text(data, "mode"), "enforce");
	assert_string_equal(text(data, "version"), "1.2");
	assert_string_equal(text(data, "host"), "mail.test");
	assert_string_equal(text(data, "started"), "2026-11-21T22:26:40Z");
	assert_int_equal(json_array_size(json_object_get(data, "egress")), 2);
	e = json_array_get(json_object_get(data, "egress"), 0);
	assert_string_equal(text(e, "name"), "mx1");
	assert_string_equal(text(e, "pool"), "default");
	assert_string_equal(text(e, "state"), "stopped");
	assert_string_equal(text(e, "evidence_state"), "stopped");
	assert_string_equal(text(e, "next_check"), "2026-11-21T22:26:42Z");
	assert_int_equal(json_integer_value(json_object_get(e, "score")),
	    100);
	assert_true(json_is_null(json_object_get(e, "override")));
	assert_true(json_is_false(json_object_get(e, "blind")));
	l = json_array_get(json_object_get(e, "listings"), 0);
	assert_string_equal(text(l, "address"), "203.0.113.7");
	assert_string_equal(text(l, "zone"), "{key}.bl.test");
	assert_string_equal(text(l, "code"), "127.0.0.2");
	assert_string_equal(text(l, "name"), "SBL");
	assert_string_equal(text(l, "kind"), "listed");
	assert_string_equal(text(l, "text"), "see ?[2J https://bl.test/");
	assert_true(json_is_true(json_object_get(l, "confirmed")));
	assert_string_equal(text(l, "delist"),
	    "https://bl.test/?ip=203.0.113.7&x");
	e = json_array_get(json_object_get(data, "egress"), 1);
	assert_string_equal(text(e, "state"), "sending");
	assert_true(json_is_null(json_object_get(e, "checked")));
	e = json_object_get(data, "store");
	assert_string_equal(text(e, "redis"), "down");
	assert_string_equal(text(e, "why"), "no answer");
	assert_true(json_is_null(json_object_get(e, "way")));
	e = json_array_get(json_object_get(data, "fronts"), 0);
	assert_string_equal(text(e, "name"), "milter");
	assert_string_equal(text(e, "where"), "unix:/run/m.sock");
	assert_true(json_is_null(json_object_get(e, "last")));
	json_decref(data);
}

static void
test_a_key_is_never_shown(void **state)
{
	static const char *const asks[] = { "status", "lists" };
	struct fixture *f = *state;
	char line[64], *all;
	json_t *data;
	size_t i;

	make_listed(f, "203.0.113.7");
	for (i = 0; i < 2; i++) {
		snprintf(line, sizeof(line), "{\"command\":\"%s\"}\n",
		    asks[i]);
		data = ask_data(f, line);
		all = json_dumps(data, 0);
		assert_null(strstr(all, "secret"));
		free(all);
		json_decref(data);
	}
}

static void
test_words_are_set_and_removed(void **state)
{
	struct fixture *f = *state;
	json_t *data, *e;
	char source[32];
	int64_t left_ms;

	data = ask_data(f, "{\"command\":\"override\",\"word\":\"stop\","
	    "\"target\":\"mx2\",\"for_ms\":60000,\"as\":\"ann\","
	    "\"reason\":\"look \\u001b into\\nit\"}\n");
	assert_string_equal(text(data, "target"), "mx2");
	assert_string_equal(text(data, "word"), "stop");
	assert_true(json_is_false(json_object_get(data, "replaced")));
	e = json_array_get(json_object_get(data, "egress"), 0);
	assert_string_equal(text(e, "name"), "mx2");
	assert_string_equal(text(e, "state"), "stopped");
	json_decref(data);
	assert_string_equal(f->told.reason, "look ? into it");
	snprintf(source, sizeof(source), "uid %u", (unsigned int)getuid());
	assert_string_equal(f->told.source, source);
	left_ms = f->told.until_ms - clock_wall_ms();
	assert_true(left_ms > 50000 && left_ms <= 60000);

	data = ask_data(f, "{\"command\":\"override\",\"word\":\"send\","
	    "\"target\":\"mx2\"}\n");
	assert_true(json_is_true(json_object_get(data, "replaced")));
	assert_true(json_is_null(json_object_get(data, "until")));
	json_decref(data);

	data = ask_data(f, "{\"command\":\"override\",\"word\":\"auto\","
	    "\"target\":\"mx2\"}\n");
	assert_true(json_is_true(json_object_get(data, "replaced")));
	e = json_array_get(json_object_get(data, "egress"), 0);
	assert_string_equal(text(e, "state"), "sending");
	assert_true(json_is_null(json_object_get(e, "override")));
	json_decref(data);
	assert_int_equal(board_override_count(f->board), 0);
}

static void
test_explain_says_what_the_decision_says(void **state)
{
	struct fixture *f = *state;
	char *all;
	json_t *data;

	make_listed(f, "203.0.113.7");
	data = ask_data(f, "{\"command\":\"explain\",\"sender\":"
	    "\"ann@example.org\",\"recipient\":\"bob@example.net\"}\n");
	assert_string_equal(text(data, "verdict"), "tempfail");
	assert_string_equal(text(data, "why"), "listed");
	assert_string_equal(text(data, "egress"), "mx1");
	assert_string_equal(text(data, "reply"), "451 4.7.1 Outbound mail "
	    "paused: 203.0.113.7 is listed by {key}.bl.test (SBL) "
	    "[mailbrake mx1]");
	all = json_dumps(json_object_get(data, "reasons"), 0);
	assert_non_null(strstr(all, "127.0.0.2"));
	free(all);
	json_decref(data);

	data = ask_data(f, "{\"command\":\"override\",\"word\":\"send\","
	    "\"target\":\"domain:example.org\"}\n");
	json_decref(data);
	data = ask_data(f, "{\"command\":\"explain\",\"sender\":"
	    "\"ann@example.org\"}\n");
	assert_string_equal(text(data, "verdict"), "pass");
	assert_true(json_is_null(json_object_get(data, "reply")));
	assert_string_equal(text(json_object_get(data, "override"),
	    "target"), "domain:example.org");
	json_decref(data);
}

static void
test_a_listed_sender_domain_is_told_and_explained(void **state)
{
	struct fixture *f = *state;
	json_t *data, *d;

	make_listed(f, "example.com");
	data = ask_data(f, "{\"command\":\"status\"}\n");
	d = json_array_get(json_object_get(data, "domains"), 0);
	assert_string_equal(text(d, "name"), "news.example.com");
	assert_string_equal(text(d, "asked"), "example.com");
	assert_string_equal(text(d, "state"), "stopped");
	d = json_array_get(json_object_get(d, "listings"), 0);
	assert_string_equal(text(d, "domain"), "example.com");
	d = json_array_get(json_object_get(data, "egress"), 0);
	assert_string_equal(text(d, "state"), "sending");
	assert_int_equal(json_array_size(json_object_get(d, "listings")), 0);
	json_decref(data);

	data = ask_data(f, "{\"command\":\"explain\",\"sender\":"
	    "\"ann@news.example.com\"}\n");
	assert_string_equal(text(data, "verdict"), "tempfail");
	assert_string_equal(text(data, "domain"), "news.example.com");
	assert_non_null(strstr(json_string_value(json_array_get(
	    json_object_get(data, "reasons"), 1)), "mail from "
	    "news.example.com is stopped"));
	json_decref(data);

	data = ask_data(f, "{\"command\":\"override\",\"word\":\"send\","
	    "\"target\":\"domain:example.com\"}\n");
	json_decref(data);
	data = ask_data(f, "{\"command\":\"status\"}\n");
	d = json_array_get(json_object_get(data, "domains"), 0);
	assert_string_equal(text(d, "state"), "sending");
	assert_string_equal(text(d, "evidence_state"), "stopped");
	json_decref(data);
}

static void
test_reload_tells_every_mistake(void **state)
{
	struct fixture *f = *state;
	json_t *data, *errors;

	data = ask_data(f, "{\"command\":\"reload\"}\n");
	assert_true(json_is_true(json_object_get(data, "reloaded")));
	json_decref(data);
	f->reload_errors = "x.conf:1: one\nx.conf:2: two\x1b\n";
	data = ask_data(f, "{\"command\":\"reload\"}\n");
	assert_true(json_is_false(json_object_get(data, "reloaded")));
	errors = json_object_get(data, "errors");
	assert_int_equal(json_array_size(errors), 2);
	assert_string_equal(json_string_value(json_array_get(errors, 1)),
	    "x.conf:2: two?");
	json_decref(data);
}

/* Requests that are refused: one error, and the connection goes on. */
static const struct {
	const char	*line, *error;
} refused[] = {
	{ "{\"command\":\"dance\"}", "does not know the command" },
	{ "{\"command\":\"status\",\"x\":1}", "bad request" },
	{ "{\"command\":\"override\"}", "bad request" },
	{ "{\"command\":\"override\",\"word\":\"stop\"}", "bad request" },
	{ "{\"command\":\"override\",\"word\":\"halt\",\"target\":\"mx1\"}",
	    "\"word\" must be" },
	{ "{\"command\":\"override\",\"word\":\"stop\",\"target\":\"mx7\"}",
	    "\"mx7\" is no egress" },
	{ "{\"command\":\"override\",\"word\":\"auto\",\"target\":\"mx7\"}",
	    "\"mx7\" is no egress" },
	{ "{\"command\":\"override\",\"word\":\"stop\",\"target\":5}",
	    "bad request" },
	{ "{\"command\":\"override\",\"word\":\"stop\",\"target\":\"mx1\","
	    "\"for_ms\":-1}", "\"for_ms\" must be" },
	{ "{\"command\":\"override\",\"word\":\"stop\",\"target\":\"mx1\","
	    "\"for_ms\":9223372036854775807}", "\"for_ms\" must be" },
	{ "{\"command\":\"override\",\"word\":\"stop\",\"target\":\"mx1\","
	    "\"for\":\"2h\"}", "bad request" },
	{ "{\"command\":\"explain\"}", "bad request" },
	{ "{\"command\":\"events\",\"last\":-1}", "\"last\" must not" },
};

static void
test_refused_requests_leave_the_connection_open(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);
	json_t *reply;
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		say(f, &p, refused[i].line);
		say(f, &p, "\n");
		reply = pull(f, &p);
		assert_non_null(reply);
		assert_true(json_is_false(json_object_get(reply, "ok")));
		if (strstr(text(reply, "error"), refused[i].error) == NULL)
			fail_msg("%s: %s", refused[i].line,
			    text(reply, "error"));
		json_decref(reply);
	}
	hang_up(f, &p);
	assert_int_equal(board_override_count(f->board), 0);
}

/* What is no request at all: one error, then the end. */
static const struct {
	const char	*claim;
	const char	*bytes;
	size_t		 len;		/* 0: a string */
} malformed[] = {
	{ "an empty line", "\n", 0 },
	{ "no JSON", "status\n", 0 },
	{ "a web browser", "POST / HTTP/1.1\r\nHost: x\r\n\r\n"
	    "{\"command\":\"status\"}\n", 0 },
	{ "an array", "[1]\n", 0 },
	{ "a string", "\"status\"\n", 0 },
	{ "no command", "{}\n", 0 },
	{ "a command that is no text", "{\"command\":1}\n", 0 },
	{ "a key twice", "{\"command\":\"status\",\"command\":\"auto\"}\n",
	    0 },
	{ "half an object", "{\"command\":\n\"status\"}\n", 0 },
	{ "something after it", "{\"command\":\"status\"} x\n", 0 },
	{ "a NUL", "{\"command\":\"sta\0tus\"}\n", 22 },
	{ "a NUL in a string", "{\"command\":\"status\\u0000\"}\n", 0 },
	{ "no UTF-8", "{\"command\":\"status\xff\"}\n", 0 },
	{ "TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 12 },
};

static void
test_malformed_input_is_answered_and_closed(void **state)
{
	struct fixture *f = *state;
	json_t *reply;
	size_t i, len;
	struct peer p;

	for (i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		p = dial(f);
		len = malformed[i].len != 0 ? malformed[i].len :
		    strlen(malformed[i].bytes);
		push(f, &p, malformed[i].bytes, len);
		reply = pull(f, &p);
		if (reply == NULL || !json_is_false(json_object_get(reply,
		    "ok")))
			fail_msg("%s: no error", malformed[i].claim);
		json_decref(reply);
		if (pull(f, &p) != NULL)
			fail_msg("%s: not closed", malformed[i].claim);
		hang_up(f, &p);
	}
	assert_int_equal(board_override_count(f->board), 0);
}

static void
test_deep_json_is_refused(void **state)
{
	struct fixture *f = *state;
	struct peer p = dial(f);
	char *deep = xcalloc(60002, 1);
	json_t *reply;

	memset(deep, '[', 60000);
	deep[60000] = '\n';
	push(f, &p, deep, 60001);
	reply = pull(f, &p);
	assert_non_null(reply);
	assert_true(json_is_false(json_object_get(reply, "ok")));
	json_decref(reply);
	free(deep);
	hang_up(f, &p);
}

static void
test_a_line_has_a_limit(void **state)
{
	static const size_t lengths[] = { 70000, 1000000 };
	struct fixture *f = *state;
	char *line = xcalloc(1, 1000001);
	json_t *reply;
	size_t i;
	struct peer p;

	memset(line, ' ', 1000000);
	for (i = 0; i < 2; i++) {
		p = dial(f);
		push(f, &p, line, lengths[i]);
		reply = pull(f, &p);
		assert_non_null(reply);
		assert_non_null(strstr(text(reply, "error"), "64 kB"));
		json_decref(reply);
		assert_null(pull(f, &p));
		hang_up(f, &p);
	}
	free(line);
}

static void
test_a_request_in_pieces_is_one_request(void **state)
{
	static const char line[] = "{ \"command\" : \"lists\" }\r\n";
	struct fixture *f = *state;
	struct peer p = dial(f);
	json_t *reply;
	size_t i;

	for (i = 0; i < sizeof(line) - 1; i++)
		push(f, &p, line + i, 1);
	reply = pull(f, &p);
	assert_non_null(reply);
	assert_true(json_is_true(json_object_get(reply, "ok")));
	json_decref(reply);
	hang_up(f, &p);
}

static void
test_many_requests_at_once_are_answered_in_order(void **state)
{
	struct fixture *f = *state;
	char *all = xcalloc(500, 64), *end = all;
	struct peer p = dial(f);
	int i;
	json_t *reply;

	for (i = 0; i < 500; i++)
		end += sprintf(end, "{\"command\":\"%s\"}\n", i % 2 == 0 ?
		    "status" : "lists");
	push(f, &p, all, (size_t)(end - all));
	/* It asks no more and still gets every answer. */
	shutdown(p.fd, SHUT_WR);
	for (i = 0; i < 500; i++) {
		reply = pull(f, &p);
		assert_non_null(reply);
		assert_int_equal(json_is_object(json_object_get(reply,
		    "data")), i % 2 == 0);
		json_decref(reply);
	}
	assert_null(pull(f, &p));
	hang_up(f, &p);
	free(all);
}

static void
test_too_many_connections_are_told_so(void **state)
{
	struct fixture *f = *state;
	struct peer p[65];
	json_t *reply;
	int i;

	for (i = 0; i < 64; i++) {
		p[i] = dial(f);
		pump(f);
	}
	p[64] = dial(f);
	reply = pull(f, &p[64]);
	assert_non_null(reply);
	assert_non_null(strstr(text(reply, "error"), "too many"));
	json_decref(reply);
	assert_null(pull(f, &p[64]));
	/* One goes, and there is room again. */
	hang_up(f, &p[0]);
	reply = ask(f, "{\"command\":\"lists\"}\n");
	assert_non_null(reply);
	json_decref(reply);
	for (i = 1; i < 65; i++)
		hang_up(f, &p[i]);
}

/* Nobody who asks without reading makes the daemon keep his answers. */
static void
test_answers_wait_for_their_reader(void **state)
{
	static const char line[] = "{\"command\":\"status\"}\n";
	struct fixture *f = *state;
	struct peer p = dial(f);
	int i, sent = 0;
	json_t *reply;

	for (i = 0; i < 100000; i++) {
		if (send(p.fd, line, sizeof(line) - 1, MSG_NOSIGNAL) !=
		    sizeof(line) - 1)
			break;
		sent++;
		if (i % 64 == 0)
			pump(f);
	}
	assert_true(sent < 100000);
	/* The loop is not blocked by it. */
	reply = ask(f, "{\"command\":\"lists\"}\n");
	assert_non_null(reply);
	json_decref(reply);
	/* And it gets what it asked for, if it reads at last. */
	for (i = 0; i < sent; i++) {
		reply = pull(f, &p);
		assert_non_null(reply);
		json_decref(reply);
	}
	hang_up(f, &p);
}

static void
test_events_are_kept_and_followed(void **state)
{
	struct fixture *f = *state;
	json_t *reply, *data;
	struct peer p = dial(f);
	int n;

	for (n = 0; n < 1005; n++)
		add_event(f, n);
	say(f, &p, "{\"command\":\"events\"}\n");
	for (n = 5; n < 1005; n++) {
		char want[32];

		reply = pull(f, &p);
		assert_non_null(reply);
		data = json_object_get(reply, "data");
		snprintf(want, sizeof(want), "event ? %d", n);
		assert_string_equal(text(data, "text"), want);
		assert_string_equal(text(data, "kind"), "note");
		assert_true(json_is_null(json_object_get(data, "zone")));
		json_decref(reply);
	}
	reply = pull(f, &p);
	assert_true(json_is_null(json_object_get(reply, "data")));
	assert_true(json_is_false(json_object_get(reply, "more")));
	json_decref(reply);

	say(f, &p, "{\"command\":\"events\",\"last\":1,\"follow\":true}\n");
	reply = pull(f, &p);
	assert_string_equal(text(json_object_get(reply, "data"), "text"),
	    "event ? 1004");
	json_decref(reply);
	reply = pull(f, &p);
	assert_true(json_is_null(json_object_get(reply, "data")));
	assert_true(json_is_true(json_object_get(reply, "more")));
	json_decref(reply);
	add_event(f, 2000);
	reply = pull(f, &p);
	assert_string_equal(text(json_object_get(reply, "data"), "text"),
	    "event ? 2000");
	json_decref(reply);
	/* A follower has nothing more to say. */
	say(f, &p, "{\"command\":\"status\"}\n");
	add_event(f, 2001);
	reply = pull(f, &p);
	assert_string_equal(text(json_object_get(reply, "data"), "text"),
	    "event ? 2001");
	json_decref(reply);
	hang_up(f, &p);
	add_event(f, 2002);
}

static void
test_a_follower_that_does_not_read_is_dropped(void **state)
{
	static const char line[] = "{\"command\":\"events\",\"follow\":true,"
	    "\"last\":0}\n";
	struct fixture *f = *state;
	struct peer p = dial(f);
	int n;
	json_t *reply;
	struct board_event ev = { .kind = EVENT_NOTE, .at_ms = NOW_MS };

	push(f, &p, line, sizeof(line) - 1);
	reply = pull(f, &p);
	assert_true(json_is_true(json_object_get(reply, "more")));
	json_decref(reply);
	memset(ev.text, 'x', sizeof(ev.text) - 1);
	for (n = 0; n < 20000; n++) {
		control_event(f->control, &ev);
		if (n % 100 == 0)
			pump(f);
	}
	for (n = 0; (reply = pull(f, &p)) != NULL; n++)
		json_decref(reply);
	assert_true(n < 15000);
	hang_up(f, &p);
}

static void
test_a_client_that_vanishes_hurts_nobody(void **state)
{
	static const char *const lines[] = {
		"", "{\"comm", "{\"command\":\"status\"}\n",
		"{\"command\":\"events\",\"follow\":true}\n", "x\n",
	};
	struct fixture *f = *state;
	json_t *reply;
	size_t i;
	struct peer p;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		p = dial(f);
		send(p.fd, lines[i], strlen(lines[i]), MSG_NOSIGNAL);
		hang_up(f, &p);
		pump(f);
		add_event(f, (int)i);
		pump(f);
	}
	reply = ask(f, "{\"command\":\"lists\"}\n");
	assert_non_null(reply);
	json_decref(reply);
}

static void
test_what_is_shown_fits_together(void **state)
{
	struct fixture *f = *state;
	json_t *data;

	f->unsettled = true;
	data = ask_data(f, "{\"command\":\"explain\",\"sender\":"
	    "\"a@b.test\",\"recipient\":\"c@d.test\"}\n");
	assert_string_equal(text(data, "verdict"), "tempfail");
	json_decref(data);
}

static void
test_inet_socket_knows_no_user(void **state)
{
	struct fixture *f = *state;
	struct control_ops ops = {
		.version = "1.2", .override = op_override,
		.reload = op_reload, .next_check = op_next_check,
		.store = op_store, .front_where = op_front_where,
	};
	struct endpoint saved = f->endpoint;
	struct control *control;
	struct peer p;
	json_t *reply;
	char name[64];
	int port;

	for (port = 20000 + getpid() % 20000; ; port++) {
		snprintf(name, sizeof(name), "inet:127.0.0.1:%d", port);
		assert_null(endpoint_parse(name, &f->endpoint));
		control = control_start(f->base, f->board, &f->endpoint,
		    &ops, f);
		if (control != NULL)
			break;
	}
	p = dial_at(&f->endpoint);
	say(f, &p, "{\"command\":\"override\",\"word\":\"stop\","
	    "\"target\":\"all\"}\n");
	reply = pull(f, &p);
	assert_non_null(reply);
	json_decref(reply);
	assert_string_equal(f->told.source, "control");
	/* The error gets through although more was sent than is read. */
	say(f, &p, "GET / HTTP/1.1\nHost: x\n\n");
	reply = pull(f, &p);
	assert_non_null(reply);
	assert_true(json_is_false(json_object_get(reply, "ok")));
	json_decref(reply);
	hang_up(f, &p);
	control_stop(control);
	f->endpoint = saved;
}

#define TEST(name)							\
	cmocka_unit_test_setup_teardown(test_ ## name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(socket_is_for_owner_and_group),
		TEST(status_has_what_is_promised),
		TEST(what_is_shown_fits_together),
		TEST(a_key_is_never_shown),
		TEST(words_are_set_and_removed),
		TEST(explain_says_what_the_decision_says),
		TEST(a_listed_sender_domain_is_told_and_explained),
		TEST(reload_tells_every_mistake),
		TEST(refused_requests_leave_the_connection_open),
		TEST(malformed_input_is_answered_and_closed),
		TEST(deep_json_is_refused),
		TEST(a_line_has_a_limit),
		TEST(a_request_in_pieces_is_one_request),
		TEST(many_requests_at_once_are_answered_in_order),
		TEST(too_many_connections_are_told_so),
		TEST(answers_wait_for_their_reader),
		TEST(events_are_kept_and_followed),
		TEST(a_follower_that_does_not_read_is_dropped),
		TEST(a_client_that_vanishes_hurts_nobody),
		TEST(inet_socket_knows_no_user),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
