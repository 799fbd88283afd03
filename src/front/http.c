/*
 * http.c - serves what the event loop has written down
 */
#include "front/http.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "front/listener.h"
#include "front/page.h"

/* More than HTTP_CONNECTIONS for a moment, until the oldest have gone. */
#define SLOTS		(2 * HTTP_CONNECTIONS)
#define REQUEST_BYTES	8192	/* of a connection's memory: its head */

struct slot {
	int	 fd;		/* -1: free */
	bool	 ended;
	int64_t	 since_ms;
};

struct http {
	struct MHD_Daemon	*mhd;
	struct endpoint		 endpoint;
	pthread_mutex_t		 lock;	/* for all that follows */
	struct MHD_Response	*documents[HTTP_DOCUMENTS];
	int64_t			 beat_ms;
	struct slot		 slots[SLOTS];
};

static const struct {
	const char	*path, *type;
} documents[HTTP_DOCUMENTS] = {
	[HTTP_PAGE] = { "/", "text/html; charset=utf-8" },
	[HTTP_STATUS] = { "/status.json", "application/json" },
	[HTTP_METRICS] = { "/metrics",
	    "text/plain; version=0.0.4; charset=utf-8" },
};

#define PLAIN	"text/plain; charset=utf-8"

/* --- answers ----------------------------------------------------------- */

/* Takes text over.  NULL without memory. */
static struct MHD_Response *
new_response(char *text, size_t len, const char *type)
{
	static const struct {
		const char	*name, *value;
	} headers[] = {
		{ "Cache-Control", "no-store" },
		/* One request a connection: see HTTP_DEADLINE_MS. */
		{ "Connection", "close" },
		{ "Content-Security-Policy", "default-src 'none'; "
		    "style-src 'sha256-" PAGE_STYLE_SHA256 "'; "
		    "base-uri 'none'; form-action 'none'; "
		    "frame-ancestors 'none'" },
		{ "Referrer-Policy", "no-referrer" },
		{ "X-Content-Type-Options", "nosniff" },
	};
	struct MHD_Response *r;
	size_t i;

	r = MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);
	if (r == NULL) {
		free(text);
		return NULL;
	}
	MHD_add_response_header(r, "Content-Type", type);
	for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		MHD_add_response_header(r, headers[i].name, headers[i].value);
	return r;
}

static enum MHD_Result
say(struct MHD_Connection *c, unsigned int status, const char *allow,
    const char *text)
{
	struct MHD_Response *r = new_response(xstrdup(text), strlen(text),
	    PLAIN);
	enum MHD_Result done;

	if (r == NULL)
		return MHD_NO;
	if (allow != NULL)
		MHD_add_response_header(r, "Allow", allow);
	done = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return done;
}

static enum MHD_Result
say_stale(struct MHD_Connection *c, int64_t age_ms)
{
	char text[256];

	snprintf(text, sizeof(text), "mailbraked has not looked after itself "
	    "for %lld s: it hangs, or this host is overloaded; see its log. "
	    "Mail servers are answered from what was known last.\n",
	    (long long)(age_ms / 1000));
	return say(c, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, text);
}

static enum MHD_Result
serve(struct http *h, struct MHD_Connection *c, enum http_document which)
{
	enum MHD_Result done = MHD_NO;
	bool there;

	/* Only takes a reference: what is sent is sent later. */
	pthread_mutex_lock(&h->lock);
	there = h->documents[which] != NULL;
	if (there)
		done = MHD_queue_response(c, MHD_HTTP_OK,
		    h->documents[which]);
	pthread_mutex_unlock(&h->lock);
	return there ? done : say(c, MHD_HTTP_SERVICE_UNAVAILABLE, NULL,
	    "mailbraked has only just started: try again in a second\n");
}

/* MHD_AccessHandlerCallback; the first call of a request, before any of its
 * body is read, and then the only one. */
static enum MHD_Result
request_cb(void *ctx, struct MHD_Connection *c, const char *path,
    const char *method, const char *version, const char *body,
    size_t *body_bytes, void **state)
{
	struct http *h = ctx;
	int64_t age_ms;
	int i;

	(void)version;
	(void)body;
	(void)body_bytes;
	(void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return say(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET, HEAD",
		    "only to be read: GET or HEAD\n");
	pthread_mutex_lock(&h->lock);
	age_ms = clock_mono_ms() - h->beat_ms;
	pthread_mutex_unlock(&h->lock);
	if (strcmp(path, "/healthz") == 0)
		return age_ms > HTTP_STALE_MS ? say_stale(c, age_ms) :
		    say(c, MHD_HTTP_OK, NULL, "ok\n");
	for (i = 0; i < HTTP_DOCUMENTS; i++) {
		if (strcmp(path, documents[i].path) == 0)
			return age_ms > HTTP_STALE_MS ?
			    say_stale(c, age_ms) :
			    serve(h, c, (enum http_document)i);
	}
	return say(c, MHD_HTTP_NOT_FOUND, NULL, "not found; there are / "
	    "/status.json /metrics and /healthz\n");
}

/* --- connections ------------------------------------------------------- */

/* Its owner finds it ended, and closes it; with the lock. */
static void
end_slot(struct slot *s)
{
	s->ended = true;
	shutdown(s->fd, SHUT_RDWR);
}

static void
make_room(struct http *h)
{
	struct slot *oldest = NULL, *s;
	size_t live = 0;

	for (s = h->slots; s < h->slots + SLOTS; s++) {
		if (s->fd == -1 || s->ended)
			continue;
		live++;
		if (oldest == NULL || s->since_ms < oldest->since_ms)
			oldest = s;
	}
	if (live >= HTTP_CONNECTIONS)
		end_slot(oldest);
}

/* MHD_NotifyConnectionCallback: told before a descriptor is closed, so that
 * the number in a slot is never another's. */
static void
connection_cb(void *ctx, struct MHD_Connection *c, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info;
	struct http *h = ctx;
	struct slot *s;

	pthread_mutex_lock(&h->lock);
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if ((s = *context) != NULL)
			s->fd = -1;
		pthread_mutex_unlock(&h->lock);
		return;
	}
	make_room(h);
	info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	for (s = h->slots; s < h->slots + SLOTS && s->fd != -1; s++)
		;
	if (info != NULL && s < h->slots + SLOTS) {
		*s = (struct slot){ .fd = info->connect_fd,
		    .since_ms = clock_mono_ms() };
		*context = s;
	}
	pthread_mutex_unlock(&h->lock);
}

/* What clients do wrong is of no use in a log that somebody has to read. */
__attribute__((__format__(__printf__, 2, 0)))
static void
log_cb(void *ctx, const char *fmt, va_list ap)
{
	char line[256], clean[sizeof(line)];

	(void)ctx;
	vsnprintf(line, sizeof(line), fmt, ap);
	log_debug("http: %s", text_clean(clean, sizeof(clean), line,
	    strlen(line)));
}

/* --- the outside ------------------------------------------------------- */

/* Its owner and its group, like the control socket. */
static int
open_socket(const struct endpoint *e)
{
	mode_t mask = umask(0177);
	int fd = listener_socket(e, "http");

	umask(mask);
	if (fd != -1 && e->kind == ENDPOINT_UNIX &&
	    chmod(e->path, 0660) == -1)
		log_warn("http socket %s: cannot set its mode", e->path);
	return fd;
}

struct http *
http_start(const struct endpoint *endpoint)
{
	struct http *h;
	int fd;
	size_t i;

	if ((fd = open_socket(endpoint)) == -1)
		return NULL;
	h = xcalloc(1, sizeof(*h));
	h->endpoint = *endpoint;
	h->beat_ms = clock_mono_ms();
	for (i = 0; i < SLOTS; i++)
		h->slots[i].fd = -1;
	pthread_mutex_init(&h->lock, NULL);
	/* From here on the descriptor is the library's. */
	h->mhd = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ITC |
	    MHD_USE_ERROR_LOG, 0, NULL, NULL, request_cb, h,
	    MHD_OPTION_EXTERNAL_LOGGER, log_cb, NULL,
	    MHD_OPTION_LISTEN_SOCKET, fd,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned int)SLOTS,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)HTTP_IDLE_S,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES,
	    MHD_OPTION_NOTIFY_CONNECTION, connection_cb, h,
	    MHD_OPTION_END);
	if (h->mhd == NULL) {
		log_warnx("http socket: libmicrohttpd does not start");
		if (endpoint->kind == ENDPOINT_UNIX)
			unlink(endpoint->path);
		pthread_mutex_destroy(&h->lock);
		free(h);
		return NULL;
	}
	return h;
}

void
http_stop(struct http *h)
{
	int i;

	if (h == NULL)
		return;
	MHD_stop_daemon(h->mhd);
	if (h->endpoint.kind == ENDPOINT_UNIX)
		unlink(h->endpoint.path);
	for (i = 0; i < HTTP_DOCUMENTS; i++) {
		if (h->documents[i] != NULL)
			MHD_destroy_response(h->documents[i]);
	}
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void
http_put(struct http *h, enum http_document which, char *text, size_t len)
{
	struct MHD_Response *new, *old;

	new = new_response(text, len, documents[which].type);
	if (new == NULL)
		return;		/* the last one goes on */
	pthread_mutex_lock(&h->lock);
	old = h->documents[which];
	h->documents[which] = new;
	pthread_mutex_unlock(&h->lock);
	if (old != NULL)
		MHD_destroy_response(old);
}

void
http_beat(struct http *h, int64_t now_ms)
{
	struct slot *s;

	pthread_mutex_lock(&h->lock);
	h->beat_ms = now_ms;
	for (s = h->slots; s < h->slots + SLOTS; s++) {
		if (s->fd != -1 && !s->ended &&
		    now_ms - s->since_ms > HTTP_DEADLINE_MS)
			end_slot(s);
	}
	pthread_mutex_unlock(&h->lock);
}
