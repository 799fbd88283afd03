/*
 * message.c - DNS messages by hand, right and wrong
 */
#include "message.h"

#include <arpa/inet.h>

#include <stdlib.h>
#include <string.h>

void
message_put(struct message *m, const void *bytes, size_t len)
{
	if (len > sizeof(m->bytes) - m->len)
		abort();
	memcpy(m->bytes + m->len, bytes, len);
	m->len += len;
}

void
message_put16(struct message *m, unsigned int n)
{
	unsigned char b[2] = { (unsigned char)(n >> 8), (unsigned char)n };

	message_put(m, b, sizeof(b));
}

void
message_name(struct message *m, const char *name)
{
	while (*name != '\0') {
		size_t n = strcspn(name, ".");
		unsigned char len = (unsigned char)n;

		message_put(m, &len, 1);
		message_put(m, name, n);
		name += n + (name[n] == '.');
	}
	message_put(m, "", 1);
}

void
message_count(struct message *m, int section, unsigned int more)
{
	unsigned char *p = m->bytes + 4 + 2 * section;
	unsigned int n = ((unsigned int)p[0] << 8 | p[1]) + more;

	p[0] = (unsigned char)(n >> 8);
	p[1] = (unsigned char)n;
}

void
message_begin(struct message *m, unsigned int flags)
{
	m->len = 0;
	message_put16(m, 0x1234);
	message_put16(m, flags);
	message_put(m, "\0\0\0\0\0\0\0", 8);
}

void
message_ask(struct message *m, const char *name, unsigned int type,
    unsigned int class)
{
	message_name(m, name);
	message_put16(m, type);
	message_put16(m, class);
	message_count(m, 0, 1);
}

static void
head(struct message *m, const char *owner, unsigned int type,
    unsigned int class, uint32_t ttl_s)
{
	message_name(m, owner);
	message_put16(m, type);
	message_put16(m, class);
	message_put16(m, ttl_s >> 16);
	message_put16(m, ttl_s & 0xffff);
	message_count(m, 1, 1);
}

void
message_answer_raw(struct message *m, const char *owner, unsigned int type,
    uint32_t ttl_s, const void *data, size_t len)
{
	head(m, owner, type, CLASS_IN, ttl_s);
	message_put16(m, (unsigned int)len);
	message_put(m, data, len);
}

static void
put_strings(struct message *m, const char *text)
{
	for (;;) {
		size_t n = strcspn(text, "|");
		unsigned char len = (unsigned char)n;

		message_put(m, &len, 1);
		message_put(m, text, n);
		if (text[n] == '\0')
			return;
		text += n + 1;
	}
}

void
message_answer(struct message *m, const char *owner, unsigned int type,
    unsigned int class, uint32_t ttl_s, const char *data)
{
	unsigned char addr[16];
	size_t at, len;

	head(m, owner, type, class, ttl_s);
	at = m->len;
	message_put16(m, 0);
	switch (type) {
	case TYPE_A:
		if (inet_pton(AF_INET, data, addr) != 1)
			abort();
		message_put(m, addr, 4);
		break;
	case TYPE_AAAA:
		if (inet_pton(AF_INET6, data, addr) != 1)
			abort();
		message_put(m, addr, 16);
		break;
	case TYPE_TXT:
		put_strings(m, data);
		break;
	default:
		message_name(m, data);
		break;
	}
	len = m->len - at - 2;
	m->bytes[at] = (unsigned char)(len >> 8);
	m->bytes[at + 1] = (unsigned char)len;
}
