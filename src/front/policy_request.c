/*
 * policy_request.c - reading requests of the Postfix policy protocol
 */
#include "front/policy_request.h"

#include <assert.h>
#include <stdbool.h>
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

/* One line without its end, terminated. */
static const char *
read_line(struct policy_parser *p, char *buf, size_t at, size_t len)
{
	char *equals = memchr(buf + at, '=', len);
	size_t name_len, i;

	if (equals == NULL)
		return "a line without \"=\"";
	name_len = (size_t)(equals - (buf + at));
	if (name_len == 0)
		return "an attribute without a name";
	for (i = 0; i < POLICY_ATTRIBUTES; i++) {
		if (name_len == wanted[i].len &&
		    memcmp(buf + at, wanted[i].name, name_len) == 0) {
			p->value[i] = (uint32_t)(at + name_len + 1);
			break;
		}
	}
	return NULL;
}

static const char *
finish(const struct policy_parser *p, const char *buf,
    struct policy_request *out)
{
	size_t i;

	if (p->value[POLICY_REQUEST] == 0)
		return "no \"request\" attribute";
	if (strcmp(buf + p->value[POLICY_REQUEST], "smtpd_access_policy") != 0)
		return "a request that is not smtpd_access_policy";
	for (i = 0; i < POLICY_ATTRIBUTES; i++)
		out->value[i] = p->value[i] != 0 ? buf + p->value[i] : NULL;
	return NULL;
}

enum policy_result
policy_request_read(struct policy_parser *p, char *buf, size_t len,
    struct policy_request *out, size_t *used, const char **why)
{
	size_t end;
	char *newline;

	*why = NULL;
	/* What lies beyond the limit is not looked at, so that a request is
	 * refused or not, however it arrives. */
	if (len > POLICY_REQUEST_MAX)
		len = POLICY_REQUEST_MAX;
	while (p->scanned < len && (newline = memchr(buf + p->scanned, '\n',
	    len - p->scanned)) != NULL) {
		size_t at = p->at;

		end = (size_t)(newline - buf);
		p->at = p->scanned = (uint32_t)end + 1;
		if (end > at && buf[end - 1] == '\r')
			end--;
		if (end == at) {
			*used = p->at;
			if ((*why = finish(p, buf, out)) != NULL) {
				*used = 0;
				return POLICY_MALFORMED;
			}
			return POLICY_READY;
		}
		if (memchr(buf + at, '\0', end - at) != NULL)
			*why = "a NUL byte";
		else if (++p->attributes > POLICY_ATTRIBUTES_MAX)
			*why = "too many attributes";
		else
			*why = read_line(p, buf, at, end - at);
		if (*why != NULL) {
			*used = at;
			return POLICY_MALFORMED;
		}
		buf[end] = '\0';
	}
	p->scanned = (uint32_t)len;
	if (len == POLICY_REQUEST_MAX) {
		*why = "a request of more than 64 kB";
		*used = p->at;
		return POLICY_MALFORMED;
	}
	return POLICY_MORE;
}
