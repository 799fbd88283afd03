/*
 * redis_tls_none.c - built without OpenSSL: no TLS to Redis
 */
#include "store/redis_tls.h"

#include <stdio.h>

bool
redis_tls_available(void)
{
	return false;
}

struct bufferevent *
redis_tls_new(struct event_base *base, const struct redis_tls *t,
    const struct endpoint *server, char *why, size_t size)
{
	(void)base;
	(void)t;
	(void)server;
	snprintf(why, size, "this mailbraked was built without TLS");
	return NULL;
}

const char *
redis_tls_trouble(struct bufferevent *bev, char *buf, size_t size)
{
	(void)bev;
	(void)size;
	buf[0] = '\0';
	return buf;
}
