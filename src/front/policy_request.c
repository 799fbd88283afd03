/*
 * policy_request.c - reading requests of the Postfix policy protocol
 */
#include "front/policy_request.h"

#include <assert.h>
#include <string.h>

/* By length first: of some twenty attributes that Postfix sends, most are
 * told apart by that alone. */
static const struct {
	const char	*name;
	size_t		 len;
} wanted[] = {
	{ "request", 7 },
	{ "protocol_state", 14 },
	{ "sender", 6 },
	{ "recipient", 9 },
	{ "sasl_username", 13 },
};

static_assert(sizeof(wanted) / sizeof(wanted[0]) == POLICY_ATTRIBUTES,
    "a name for every attribute");

/* One line without its end. */
static const char *
read_line(struct policy_parser *p, const char *buf, size_t at, size_t end)
{
	const char *equals = memchr(buf + at, '=', end - at);
	size_t name_len, i;

	if (equals == NULL)
		return "a line without \"=\"";
	name_len = (size_t)(equals - (buf + at));
	if (name_len == 0)
		return "an attribute without a name";
	if (++p->attributes > POLICY_ATTRIBUTES_MAX)
		return "too many attributes";
	for (i = 0; i < POLICY_ATTRIBUTES; i++) {
		if (name_len == wanted[i].len &&
		    memcmp(buf + at, wanted[i].name, name_len) == 0) {
			p->value[i].at = (uint32_t)(at + name_len + 1);
			p->value[i].len = (uint32_t)end - p->value[i].at;
			break;
		}
	}
	return NULL;
}

/* The request is complete: it ends at used. */
static const char *
finish(const struct policy_parser *p, char *buf, size_t used,
    struct policy_request *out, size_t *where)
{
	const char *nul;
	size_t i;

	*where = 0;
	if ((nul = memchr(buf, '\0', used)) != NULL) {
		for (i = (size_t)(nul - buf); i > 0 && buf[i - 1] != '\n'; i--)
			continue;
		*where = i;
		return "a NUL byte";
	}
	for (i = 0; i < POLICY_ATTRIBUTES; i++) {
		out->value[i] = NULL;
		if (p->value[i].at != 0) {
			out->value[i] = buf + p->value[i].at;
			buf[p->value[i].at + p->value[i].len] = '\0';
		}
	}
	if (out->value[POLICY_REQUEST] == NULL)
		return "no \"request\" attribute";
	if (strcmp(out->value[POLICY_REQUEST], "smtpd_access_policy") != 0)
		return "a request that is not smtpd_access_policy";
	return NULL;
}

enum policy_result
policy_request_read(struct policy_parser *p, char *buf, size_t len,
    struct policy_request *out, size_t *used, const char **why)
{
	size_t at, end;
	char *newline;

	*why = NULL;
	/* What lies beyond the limit is not looked at, so that a request is
	 * refused or not, however it arrives. */
	if (len > POLICY_REQUEST_MAX)
		len = POLICY_REQUEST_MAX;
	while ((newline = memchr(buf + p->scanned, '\n',
	    len - p->scanned)) != NULL) {
		at = p->at;
		end = (size_t)(newline - buf);
		p->at = p->scanned = (uint32_t)end + 1;
		if (end > at && buf[end - 1] == '\r')
			end--;
		if (end == at) {
			*why = finish(p, buf, p->at, out, used);
			if (*why != NULL)
				return POLICY_MALFORMED;
			*used = p->at;
			return POLICY_READY;
		}
		if ((*why = read_line(p, buf, at, end)) != NULL) {
			*used = at;
			return POLICY_MALFORMED;
		}
	}
	p->scanned = (uint32_t)len;
	if (len == POLICY_REQUEST_MAX) {
		*why = "a request of more than 64 kB";
		*used = p->at;
		return POLICY_MALFORMED;
	}
	return POLICY_MORE;
}
