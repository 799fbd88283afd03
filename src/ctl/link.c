/*
 * link.c - the tool's end of the control socket
 */
#include "ctl/link.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "base/mem.h"
#include "base/text.h"
#include "conf/config.h"
#include "conf/config_schema.h"
#include "ctl/ctl.h"

#define ANSWER_SECONDS	10

struct link {
	FILE	*file;
	char	 where[ENDPOINT_TEXT_MAX];
	char	*line;			/* getline's */
	size_t	 line_size;
};

/* "mailbrake", or the number; for messages. */
static const char *
group_name(gid_t gid, char buf[32])
{
	const struct group *gr = getgrgid(gid);

	snprintf(buf, 32, "%lu", (unsigned long)gid);
	return gr != NULL ? gr->gr_name : buf;
}

/* The group that may connect: the socket's, or its directory's where that
 * is closed to us. */
static void
complain_permission(const struct endpoint *e)
{
	char path[sizeof(e->path)], text[ENDPOINT_TEXT_MAX], buf[32], *slash;
	struct stat st;

	endpoint_text(e, text);
	text_copy(path, sizeof(path), e->path);
	if (stat(path, &st) == -1 && (slash = strrchr(path, '/')) != NULL)
		slash[slash == path ? 1 : 0] = '\0';
	if (e->kind == ENDPOINT_UNIX && stat(path, &st) == 0 &&
	    st.st_gid != 0)
		complain("not permitted to connect to %s: run this as root "
		    "or as a member of group %s", text,
		    group_name(st.st_gid, buf));
	else
		complain("not permitted to connect to %s: run this as root",
		    text);
}

static void
complain_connect(const struct endpoint *e, int error)
{
	char text[ENDPOINT_TEXT_MAX];

	endpoint_text(e, text);
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		complain("mailbraked is not running (no socket at %s): start "
		    "it as a service or with \"mailbraked\"; if its socket "
		    "is elsewhere, name it with -s", text);
		break;
	case ECONNREFUSED:
		complain("mailbraked is not running (nobody listens at %s): "
		    "start it as a service or with \"mailbraked\"", text);
		break;
	case EACCES:
	case EPERM:
		complain_permission(e);
		break;
	case EAGAIN:
	case EINPROGRESS:
		complain("mailbraked does not take the connection at %s: it "
		    "hangs or is stopped; see its log", text);
		break;
	default:
		complain("cannot connect to mailbraked at %s: %s", text,
		    strerror(error));
		break;
	}
}

/*
 * The socket as the configuration has it.  A file with mistakes must not
 * keep an operator from a daemon that runs on the old one, so that only a
 * file which was asked for and is not there is an error.
 */
static bool
find_configured(const struct args *args, struct endpoint *out, int *status)
{
	const char *path = args->config != NULL ? args->config :
	    DEFAULT_CONFIG;
	struct errors errs = { 0 };
	struct config *config;
	const char *why;

	if (access(path, R_OK) == -1) {
		if (args->config != NULL) {
			complain("%s: %s", path, strerror(errno));
			*status = CTL_FAILED;
			return false;
		}
	} else if ((config = config_load(path, &errs)) != NULL) {
		*out = config->control;
		config_free(config);
		errors_free(&errs);
		if (out->kind == ENDPOINT_NONE) {
			complain("%s offers no control socket: set "
			    "listen.control, or name a socket with -s", path);
			*status = CTL_UNREACHABLE;
			return false;
		}
		return true;
	} else {
		errors_free(&errs);
		complain("%s has mistakes (see them with \"mailbraked -t -c "
		    "%s\"): trying %s", path, path, DEFAULT_CONTROL);
	}
	if ((why = endpoint_parse(DEFAULT_CONTROL, out)) != NULL) {
		complain("%s %s", DEFAULT_CONTROL, why);
		*status = CTL_FAILED;
		return false;
	}
	return true;
}

static bool
find_socket(const struct args *args, struct endpoint *out, int *status)
{
	const char *why;

	if (args->socket == NULL)
		return find_configured(args, out, status);
	if (args->socket[0] == '/')
		why = endpoint_parse_server(args->socket, 0, out);
	else
		why = endpoint_parse(args->socket, out);
	if (why == NULL && out->kind == ENDPOINT_NONE)
		why = "must be \"unix:PATH\", \"inet:ADDRESS:PORT\" or a path";
	if (why != NULL) {
		complain("--socket: \"%s\" %s", args->socket, why);
		*status = CTL_USAGE;
		return false;
	}
	return true;
}

static void
set_deadline(int fd, int seconds)
{
	struct timeval tv = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

struct link *
link_open(const struct args *args, int *status)
{
	struct sockaddr_storage ss;
	struct endpoint endpoint;
	struct link *link;
	socklen_t len;
	int fd;

	if (!find_socket(args, &endpoint, status))
		return NULL;
	len = endpoint_sockaddr(&endpoint, &ss);
	*status = CTL_UNREACHABLE;
	if ((fd = socket(ss.ss_family, SOCK_STREAM, 0)) == -1) {
		complain("no socket: %s", strerror(errno));
		return NULL;
	}
	/* It bounds connect() too, where that can wait. */
	set_deadline(fd, ANSWER_SECONDS);
	if (connect(fd, (struct sockaddr *)&ss, len) == -1) {
		complain_connect(&endpoint, errno);
		close(fd);
		return NULL;
	}
	link = xcalloc(1, sizeof(*link));
	endpoint_text(&endpoint, link->where);
	if ((link->file = fdopen(fd, "r")) == NULL) {
		complain("cannot read from %s: %s", link->where,
		    strerror(errno));
		close(fd);
		free(link);
		return NULL;
	}
	return link;
}

void
link_close(struct link *link)
{
	fclose(link->file);
	free(link->line);
	free(link);
}

bool
link_send(struct link *link, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII);
	char *line = xasprintf("%s\n", text);
	size_t len = strlen(line), sent = 0;
	ssize_t n = 0;

	json_decref(request);
	free(text);
	while (sent < len) {
		n = send(fileno(link->file), line + sent, len - sent,
		    MSG_NOSIGNAL);
		if (n == -1 && errno != EINTR)
			break;
		if (n > 0)
			sent += (size_t)n;
	}
	free(line);
	/* Gone already, it may have said why: that is read next. */
	if (sent < len && errno != EPIPE) {
		complain("cannot ask mailbraked at %s: %s", link->where,
		    strerror(errno));
		return false;
	}
	return true;
}

/* Makes every string below value fit for a terminal. */
static void
clean(json_t *value)
{
	const char *key, *text;
	size_t i, len;
	json_t *child;
	char *copy;

	if (json_is_string(value)) {
		text = json_string_value(value);
		len = json_string_length(value);
		copy = xcalloc(len + 1, 1);
		json_string_set(value, text_clean(copy, len + 1, text, len));
		free(copy);
	}
	json_array_foreach(value, i, child)
		clean(child);
	json_object_foreach(value, key, child)
		clean(child);
}

static json_t *
read_line(struct link *link)
{
	json_error_t wrong;
	json_t *reply;
	ssize_t len;

	errno = 0;
	len = getline(&link->line, &link->line_size, link->file);
	if (len <= 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			complain("mailbraked at %s does not answer: it hangs "
			    "or is stopped; see its log", link->where);
		else if (errno != 0)
			complain("lost the connection to mailbraked at %s: %s",
			    link->where, strerror(errno));
		else
			complain("mailbraked at %s closed the connection",
			    link->where);
		return NULL;
	}
	reply = json_loadb(link->line, (size_t)len, 0, &wrong);
	if (reply == NULL || !json_is_boolean(json_object_get(reply, "ok"))) {
		json_decref(reply);
		complain("what listens at %s is not mailbraked", link->where);
		return NULL;
	}
	clean(reply);
	return reply;
}

json_t *
link_next(struct link *link, bool *more)
{
	json_t *reply = read_line(link), *data;
	const char *why;

	if (reply == NULL)
		return NULL;
	if (!json_is_true(json_object_get(reply, "ok"))) {
		why = json_string_value(json_object_get(reply, "error"));
		complain("%s", why != NULL ? why : "refused");
		json_decref(reply);
		return NULL;
	}
	*more = json_is_true(json_object_get(reply, "more"));
	data = json_incref(json_object_get(reply, "data"));
	json_decref(reply);
	return data != NULL ? data : json_null();
}

void
link_patient(struct link *link)
{
	set_deadline(fileno(link->file), 0);
}

json_t *
link_ask(const struct args *args, json_t *request, int *status)
{
	struct link *link;
	json_t *data = NULL;
	bool more;

	if ((link = link_open(args, status)) == NULL) {
		json_decref(request);
		return NULL;
	}
	*status = CTL_FAILED;
	if (link_send(link, request))
		data = link_next(link, &more);
	link_close(link);
	if (data != NULL)
		*status = CTL_OK;
	return data;
}
