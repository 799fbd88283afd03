/*
 * fuzz_socketmap.c - bytes on a connection to the socketmap service
 *
 * The first byte says where the rest is cut in two: however the bytes
 * arrive, they must be understood alike.  What is understood is framed
 * again and must give the same bytes.
 */
#include "fuzz.h"

#include <string.h>

#include "front/netstring.h"

struct outcome {
	enum netstring_result	 result;
	size_t			 used;
	const char		*why;
	struct netstring_request request;
	char			*buf;
};

static struct outcome
read_in_two(const uint8_t *data, size_t len, size_t first)
{
	struct netstring_parser parser = { 0 };
	struct outcome o = { .result = NETSTRING_MORE };
	char *part = malloc(first != 0 ? first : 1);

	/* Of its own size: the rest has not arrived. */
	CLAIM(part != NULL);
	memcpy(part, data, first);
	o.result = netstring_read(&parser, part, first, &o.request, &o.used,
	    &o.why);
	o.buf = part;
	if (o.result == NETSTRING_MORE && first < len) {
		free(part);
		o.buf = malloc(len);
		CLAIM(o.buf != NULL);
		memcpy(o.buf, data, len);
		o.result = netstring_read(&parser, o.buf, len, &o.request,
		    &o.used, &o.why);
	}
	return o;
}

static void
check_same(const struct outcome *a, const struct outcome *b)
{
	CLAIM(a->result == b->result);
	CLAIM(a->used == b->used);
	CLAIM((a->why == NULL) == (b->why == NULL));
	CLAIM((a->result == NETSTRING_MALFORMED) == (a->why != NULL));
	if (a->result == NETSTRING_MALFORMED)
		CLAIM(strcmp(a->why, b->why) == 0 && a->used == 0);
	if (a->result != NETSTRING_READY)
		return;
	CLAIM(strcmp(a->request.name, b->request.name) == 0);
	CLAIM(a->request.key_len == b->request.key_len);
	CLAIM(strcmp(a->request.key, b->request.key) == 0);
}

static void
check_request(const struct outcome *o, const uint8_t *data, size_t len)
{
	const struct netstring_request *req = &o->request;
	size_t name_len = strlen(req->name), total, i;
	char *room = malloc(NETSTRING_WHOLE), *begin, *text;

	CLAIM(room != NULL);
	CLAIM(o->used > 0 && o->used <= len && o->used <= NETSTRING_WHOLE);
	CLAIM(name_len > 0 && strlen(req->key) == req->key_len);
	text = room + NETSTRING_HEAD;
	memcpy(text, req->name, name_len);
	text[name_len] = ' ';
	memcpy(text + name_len + 1, req->key, req->key_len);
	for (i = 0; i < name_len + 1 + req->key_len; i++)
		CLAIM((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
	begin = netstring_frame(room, name_len + 1 + req->key_len, &total);
	CLAIM(total == o->used && memcmp(begin, data, total) == 0);
	free(room);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct outcome whole, parts;
	size_t first;

	if (len == 0)
		return 0;
	first = (len - 1) * data[0] / 255;
	data++;
	len--;
	whole = read_in_two(data, len, len);
	parts = read_in_two(data, len, first);
	check_same(&whole, &parts);
	if (whole.result == NETSTRING_READY)
		check_request(&whole, data, len);
	free(whole.buf);
	free(parts.buf);
	return 0;
}
