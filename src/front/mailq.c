/*
 * mailq.c - Postfix' queue, by its own command
 */
#include "front/mailq.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/child.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "front/gate_file.h"

#define TIMEOUT_MS	60000
#define PARALLEL	2
#define OUTPUT_MAX	4000
#define LINE_MAX_BYTES	(4 * 1024 * 1024)	/* 20,000 recipients */
#define ERROR_MAX	(CHILD_TEXT_MAX + 300)
#define GIVE_UP		3	/* releases that fail in a row */

/* What smtp(8) and the queue manager say of a message that met a shut gate,
 * with and without a delivery status filter that keeps our word. */
static const char *const gate_reasons[] = {
	"client TLS configuration problem",
	GATE_FILE_VALUE,
};

struct id {
	char	text[MAILQ_ID_MAX];
};

/* One postqueue -i, or a place for it. */
struct release {
	struct mailq	*queue;
	struct child	*child;		/* NULL: free */
};

struct mailq {
	struct children	*children;
	char		*config_directory;
	int64_t		 timeout_ms;
	size_t		 parallel;
	mailq_whose_fn	*whose;
	void		*whose_ctx;

	struct child	*child;		/* flush or list */
	mailq_done_fn	*done;
	mailq_list_fn	*list_done;
	void		*ctx;

	char		*egress;	/* the listing's */
	size_t		 max;
	bool		 sure;
	struct mailq_list list;
	struct mailq_message *messages;
	size_t		 count, room;
	size_t		 bad_lines;

	/* Released before, sorted: who comes back has to stand behind those
	 * who did not have their turn. */
	struct id	*tried;
	bool		*tried_seen;
	size_t		 tried_count;

	struct id	*ids;		/* the release's */
	size_t		 id_count, next, handed, failed, running;
	struct release	*runs;		/* parallel of them */
	char		 error[ERROR_MAX];
};

/* --- a line of postqueue -j ---------------------------------------------- */

static bool
is_of_a_gate(const char *reason)
{
	size_t i;

	for (i = 0; i < sizeof(gate_reasons) / sizeof(gate_reasons[0]); i++) {
		if (strstr(reason, gate_reasons[i]) != NULL)
			return true;
	}
	return false;
}

static bool
names(const char *reason, const char *egress)
{
	char ours[300];

	snprintf(ours, sizeof(ours), "[mailbrake %s]", egress);
	return strstr(reason, ours) != NULL;
}

/* It becomes an argument: letters and digits, as Postfix makes them. */
static bool
id_ok(const char *id)
{
	const char *p;

	for (p = id; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p))
			return false;
	}
	return p > id && (size_t)(p - id) < MAILQ_ID_MAX;
}

bool
mailq_parse(const char *line, size_t bytes, const char *egress,
    mailq_whose_fn *whose, void *whose_ctx, struct mailq_message *m,
    bool *active, enum mailq_waits *waits)
{
	json_t *root = json_loadb(line, bytes, 0, NULL), *rcpt;
	const char *id, *queue, *reason, *sender, *to;
	enum mailq_whose w;
	size_t i;

	id = json_string_value(json_object_get(root, "queue_id"));
	queue = json_string_value(json_object_get(root, "queue_name"));
	if (id == NULL || queue == NULL || !id_ok(id)) {
		json_decref(root);
		return false;
	}
	*m = (struct mailq_message){ .arrival_s = json_integer_value(
	    json_object_get(root, "arrival_time")) };
	text_copy(m->id, sizeof(m->id), id);
	*active = strcmp(queue, "active") == 0;
	*waits = MAILQ_WAITS_NOT;
	sender = json_string_value(json_object_get(root, "sender"));
	json_array_foreach(json_object_get(root, "recipients"), i, rcpt) {
		reason = json_string_value(json_object_get(rcpt,
		    "delay_reason"));
		to = json_string_value(json_object_get(rcpt, "address"));
		if (reason == NULL || strcmp(queue, "deferred") != 0)
			continue;
		w = names(reason, egress) ? MAILQ_MINE :
		    !is_of_a_gate(reason) ? MAILQ_OTHERS :
		    whose == NULL || sender == NULL || to == NULL ?
		    MAILQ_UNKNOWN : whose(whose_ctx, egress, sender, to);
		if (w == MAILQ_MINE) {
			*waits = MAILQ_WAITS;
			break;
		}
		if (w == MAILQ_UNKNOWN)
			*waits = MAILQ_MAY_WAIT;
	}
	json_decref(root);
	return true;
}

/* --- programs ------------------------------------------------------------- */

static struct child *
run(struct mailq *m, const char *option, const char *id, child_line_fn *line,
    child_done_fn *done, void *ctx)
{
	const char *argv[6];
	struct child_spec spec = { .argv = argv, .timeout_ms = m->timeout_ms,
	    .output_max = OUTPUT_MAX, .line = line,
	    .line_max = LINE_MAX_BYTES };
	size_t n = 0;

	argv[n++] = "postqueue";
	if (m->config_directory != NULL) {
		argv[n++] = "-c";
		argv[n++] = m->config_directory;
	}
	argv[n++] = option;
	if (id != NULL)
		argv[n++] = id;
	argv[n] = NULL;
	return child_run(m->children, &spec, done, ctx);
}

static const char *
explain(struct mailq *m, const struct child_result *r)
{
	char text[CHILD_TEXT_MAX];
	const char *advice = "";

	child_text(r, text);
	if (strstr(text, "Permission denied") != NULL)
		advice = "; mailbraked's user has to be in the group postdrop "
		    "(usermod -aG postdrop mailbrake, then restart it)";
	else if (strstr(text, "unauthorized") != NULL ||
	    strstr(text, "not allowed") != NULL)
		advice = "; see authorized_flush_users and "
		    "authorized_mailq_users in postconf(5)";
	snprintf(m->error, sizeof(m->error), "%s%s", text, advice);
	return m->error;
}

/* --- flush ----------------------------------------------------------------- */

static void
flush_done(void *ctx, const struct child_result *r)
{
	struct mailq *m = ctx;

	m->child = NULL;
	m->done(m->ctx, 0, child_good(r) ? NULL : explain(m, r));
}

void
mailq_flush(struct mailq *m, mailq_done_fn *done, void *ctx)
{
	m->done = done;
	m->ctx = ctx;
	m->child = run(m, "-f", NULL, NULL, flush_done, m);
}

/* --- list ------------------------------------------------------------------ */

static int
id_cmp(const void *a, const void *b)
{
	return strcmp(((const struct id *)a)->text,
	    ((const struct id *)b)->text);
}

static int
message_cmp(const void *a, const void *b)
{
	const struct mailq_message *x = a, *y = b;

	if (x->tried != y->tried)
		return x->tried ? 1 : -1;
	if (x->arrival_s != y->arrival_s)
		return x->arrival_s < y->arrival_s ? -1 : 1;
	return strcmp(x->id, y->id);
}

static void
trim(struct mailq *m)
{
	if (m->count > 1)
		qsort(m->messages, m->count, sizeof(*m->messages),
		    message_cmp);
	if (m->count > m->max)
		m->count = m->max;
}

static void
remember(struct mailq *m, struct mailq_message *msg)
{
	struct id key, *found = NULL;

	text_copy(key.text, sizeof(key.text), msg->id);
	if (m->tried_count > 0)
		found = bsearch(&key, m->tried, m->tried_count, sizeof(key),
		    id_cmp);
	if (found != NULL) {
		msg->tried = true;
		m->tried_seen[found - m->tried] = true;
	}
	/* Twice what is wanted, so that sorting stays rare. */
	if (m->count == m->room)
		trim(m);
	if (m->count < m->room)
		m->messages[m->count++] = *msg;
}

static void
list_line(void *ctx, const char *line, size_t bytes)
{
	struct mailq *m = ctx;
	struct mailq_message msg;
	enum mailq_waits waits;
	bool active;

	if (!mailq_parse(line, bytes, m->egress, m->whose, m->whose_ctx,
	    &msg, &active, &waits)) {
		m->bad_lines++;
		return;
	}
	m->list.total++;
	m->list.active += active;
	if (waits == MAILQ_WAITS || (waits == MAILQ_MAY_WAIT && !m->sure)) {
		m->list.waiting++;
		remember(m, &msg);
	}
}

/* Those that did not turn up again are delivered, or at least not here. */
static void
forget_gone(struct mailq *m)
{
	size_t i, n = 0;

	for (i = 0; i < m->tried_count; i++) {
		if (m->tried_seen[i])
			m->tried[n++] = m->tried[i];
	}
	m->tried_count = n;
}

static void
list_end(struct mailq *m)
{
	free(m->egress);
	free(m->messages);
	m->egress = NULL;
	m->messages = NULL;
	m->count = m->room = 0;
}

static void
list_done(void *ctx, const struct child_result *r)
{
	struct mailq *m = ctx;

	m->child = NULL;
	if (!child_good(r)) {
		m->list = (struct mailq_list){ .error = explain(m, r) };
	} else if (m->bad_lines > 0 && m->list.total == 0) {
		m->list = (struct mailq_list){ .error = "postqueue -j does not "
		    "print what Postfix 3.1 and later do" };
	} else {
		trim(m);
		forget_gone(m);
		m->list.messages = m->messages;
		m->list.count = m->count;
		if (!m->sure)
			m->list.waiting += r->long_lines; /* too many, then */
	}
	m->list_done(m->ctx, &m->list);
	/* Unless the callback has begun another. */
	if (m->child == NULL)
		list_end(m);
}

void
mailq_list(struct mailq *m, const char *egress, size_t max, bool sure,
    mailq_list_fn *done, void *ctx)
{
	list_end(m);
	m->list_done = done;
	m->ctx = ctx;
	m->egress = xstrdup(egress);
	m->max = max;
	m->sure = sure;
	m->room = 2 * max + 1;
	m->messages = xcalloc(m->room, sizeof(*m->messages));
	m->list = (struct mailq_list){ 0 };
	m->bad_lines = 0;
	free(m->tried_seen);
	m->tried_seen = xcalloc(m->tried_count + 1, sizeof(*m->tried_seen));
	m->child = run(m, "-j", NULL, list_line, list_done, m);
}

/* --- release --------------------------------------------------------------- */

static void
note_tried(struct mailq *m)
{
	m->tried = xreallocarray(m->tried, m->tried_count + m->next + 1,
	    sizeof(*m->tried));
	memcpy(m->tried + m->tried_count, m->ids,
	    m->next * sizeof(*m->ids));
	m->tried_count += m->next;
	if (m->tried_count > 1)
		qsort(m->tried, m->tried_count, sizeof(*m->tried), id_cmp);
}

static void
release_end(struct mailq *m)
{
	note_tried(m);
	free(m->ids);
	m->ids = NULL;
}

static void release_one_done(void *, const struct child_result *);

/* As many as may run; the others when one of them has ended, so that other
 * programs need not stand in line behind all of them. */
static void
release_more(struct mailq *m)
{
	struct release *run_of;
	size_t i;

	for (i = 0; i < m->parallel && m->next < m->id_count &&
	    m->failed < GIVE_UP; i++) {
		run_of = &m->runs[i];
		if (run_of->child != NULL)
			continue;
		run_of->child = run(m, "-i", m->ids[m->next++].text, NULL,
		    release_one_done, run_of);
		m->running++;
	}
}

static void
release_one_done(void *ctx, const struct child_result *r)
{
	struct release *run_of = ctx;
	struct mailq *m = run_of->queue;

	run_of->child = NULL;
	m->running--;
	if (child_good(r)) {
		m->handed++;
		m->failed = 0;
	} else {
		m->failed++;
		explain(m, r);
	}
	release_more(m);
	if (m->running > 0)
		return;
	release_end(m);
	m->done(m->ctx, m->handed, m->failed >= GIVE_UP ||
	    (m->handed == 0 && m->failed > 0) ? m->error : NULL);
}

void
mailq_release(struct mailq *m, const char *const *ids, size_t count,
    mailq_done_fn *done, void *ctx)
{
	size_t i;

	m->done = done;
	m->ctx = ctx;
	m->ids = xcalloc(count + 1, sizeof(*m->ids));
	m->id_count = m->next = m->handed = m->failed = 0;
	for (i = 0; i < count; i++) {
		if (id_ok(ids[i]))
			text_copy(m->ids[m->id_count++].text, MAILQ_ID_MAX,
			    ids[i]);
	}
	release_more(m);
}

/* --- the whole -------------------------------------------------------------- */

struct mailq *
mailq_new(struct children *children, const struct mailq_conf *conf)
{
	struct mailq *m;
	char path[1024];
	size_t i;

	if (!child_find("postqueue", path, sizeof(path))) {
		log_debug("no postqueue on this host: no queue to look after");
		return NULL;
	}
	m = xcalloc(1, sizeof(*m));
	m->children = children;
	m->config_directory = xstrdup(conf->config_directory);
	m->whose = conf->whose;
	m->whose_ctx = conf->whose_ctx;
	m->timeout_ms = conf->timeout_ms > 0 ? conf->timeout_ms : TIMEOUT_MS;
	m->parallel = conf->parallel > 0 ? conf->parallel : PARALLEL;
	m->runs = xcalloc(m->parallel, sizeof(*m->runs));
	for (i = 0; i < m->parallel; i++)
		m->runs[i].queue = m;
	return m;
}

bool
mailq_busy(const struct mailq *m)
{
	return m->child != NULL || m->ids != NULL;
}

void
mailq_cancel(struct mailq *m)
{
	size_t i;

	if (m->child != NULL)
		child_cancel(m->child);
	m->child = NULL;
	for (i = 0; i < m->parallel; i++) {
		if (m->runs[i].child != NULL)
			child_cancel(m->runs[i].child);
		m->runs[i].child = NULL;
	}
	m->running = 0;
	if (m->ids != NULL)
		release_end(m);
	list_end(m);
}

void
mailq_free(struct mailq *m)
{
	if (m == NULL)
		return;
	mailq_cancel(m);
	free(m->config_directory);
	free(m->runs);
	free(m->tried);
	free(m->tried_seen);
	free(m);
}
