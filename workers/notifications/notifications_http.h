/*
 * Copyright (C) the Warren authors
 *
 * Posts JSON to addresses that strangers chose.
 */

#ifndef NOTIFICATIONS_HTTP_H
#define NOTIFICATIONS_HTTP_H


#include <stddef.h>


struct notifications_http;
struct wr_settings;


/* By the settings webhook.*.  Returns NULL and the reason if one of them is
   wrong. */
struct notifications_http *notifications_http_new(
    const struct wr_settings *settings, const char **error_r);

/* Frees it, and sets it to NULL. */
void notifications_http_free(struct notifications_http **http);

/* What is wrong with an URL that is to be posted to; NULL: nothing. */
const char *notifications_http_check(const struct notifications_http *http,
    const char *url);

/*
 * Blocks for webhook.timeout at most; redirects are not followed.  Each header
 * is "Name: value"; NULL ends them.  Returns the status, 0 if there was none,
 * with the reason, until the next call.
 */
long notifications_http_post(struct notifications_http *http, const char *url,
    const char *const *headers, const char *body, size_t len,
    const char **reason_r);


#endif /* NOTIFICATIONS_HTTP_H */
