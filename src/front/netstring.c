/*
 * netstring.c - requests of the socketmap protocol, and framing of answers
 */
#include "front/netstring.h"

#include <assert.h>
#include <string.h>

#define TEXT(n)		TEXT_(n)
#define TEXT_(n)	#n

/* Up to the colon.  NULL if there is nothing wrong as yet. */
static const char *
read_length(struct netstring_parser *p, const char *buf, size_t len)
{
	char c;

	for (; !p->counted && p->at < len; p->at++) {
		c = buf[p->at];
		if (c == ':' && p->at > 0) {
			p->counted = true;
			continue;
		}
		if (c < '0' || c > '9')
			return "a length that is not a number";
		if (p->at > 0 && p->length == 0)
			return "a length with a leading zero";
		p->length = p->length * 10 + (uint32_t)(c - '0');
		if (p->length > NETSTRING_MAX)
			return "a request of more than "
			    TEXT(NETSTRING_MAX) " bytes";
	}
	return NULL;
}

/* The text of a request, with the comma behind it. */
static const char *
read_text(char *text, size_t len, struct netstring_request *out)
{
	char *space;
	size_t i;

	if (text[len] != ',')
		return "a request without \",\" where it should end";
	if (len == 0)
		return "an empty request";
	for (i = 0; i < len; i++) {
		if (text[i] == '\0')
			return "a NUL byte";
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return "a control character";
	}
	if ((space = memchr(text, ' ', len)) == NULL)
		return "the name of a map without a key";
	if (space == text)
		return "a key without the name of a map";
	*space = '\0';
	text[len] = '\0';
	out->name = text;
	out->key = space + 1;
	out->key_len = len - (size_t)(out->key - text);
	return NULL;
}

enum netstring_result
netstring_read(struct netstring_parser *p, char *buf, size_t len,
    struct netstring_request *out, size_t *used, const char **why)
{
	*used = 0;
	if ((*why = read_length(p, buf, len)) != NULL)
		return NETSTRING_MALFORMED;
	if (!p->counted || len - p->at <= p->length)
		return NETSTRING_MORE;
	if ((*why = read_text(buf + p->at, p->length, out)) != NULL)
		return NETSTRING_MALFORMED;
	*used = (size_t)p->at + p->length + 1;
	return NETSTRING_READY;
}

char *
netstring_frame(char *room, size_t len, size_t *total)
{
	char *begin = room + NETSTRING_HEAD;
	size_t rest = len;

	assert(len <= NETSTRING_MAX);
	begin[len] = ',';
	*--begin = ':';
	do {
		*--begin = (char)('0' + rest % 10);
	} while ((rest /= 10) > 0);
	*total = (size_t)(room + NETSTRING_HEAD - begin) + len + 1;
	return begin;
}
