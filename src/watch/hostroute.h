/*
 * hostroute.h - which addresses this host sends from
 */
#ifndef MAILBRAKE_WATCH_HOSTROUTE_H
#define MAILBRAKE_WATCH_HOSTROUTE_H

#include <stddef.h>

#include "base/addr.h"

#define HOSTROUTE_MAX	2

/* The source addresses of the default routes, IPv4 and IPv6, where there
 * are any; returns how many.  No packet is sent. */
size_t	hostroute_addresses(struct addr out[HOSTROUTE_MAX]);

#endif
