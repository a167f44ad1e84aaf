/*
 * Copyright (C) the Warren authors
 *
 * Posts JSON to addresses that strangers chose.
 */

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "notifications_address.h"
#include "notifications_http.h"
#include "settings.h"


/* A lane that waits longer would be taken for a stuck one. */
#define TIMEOUT_MAX_MS  30000

/* Nobody reads an answer: headers and body that are longer are cut off, and
   the attempt failed. */
#define ANSWER_MAX      65536


struct notifications_http {
    CURL    *curl;
    bool     is_private_allowed;
    bool     is_http_allowed;
    bool     is_refused;        /* an address, of this attempt */
    size_t   answer_len;
    char     error[CURL_ERROR_SIZE];
    char     reason[CURL_ERROR_SIZE];
};


static bool set(struct notifications_http *http,
    const struct wr_settings *settings);
static curl_socket_t open_socket(void *data, curlsocktype purpose,
    struct curl_sockaddr *address);
static size_t drop(char *bytes, size_t size, size_t n, void *data);
static const char *check_parts(const struct notifications_http *http,
    CURLU *parts, const char *url);
static bool has_part(CURLU *parts, CURLUPart part);


struct notifications_http *
notifications_http_new(const struct wr_settings *settings,
    const char **error_r)
{
    int64_t                     ms;
    struct notifications_http  *http;

    ms = wr_settings_ms(settings, "webhook.timeout");

    if (ms < 1 || ms > TIMEOUT_MAX_MS) {
        *error_r = "webhook.timeout is not within 1ms and 30s";
        return NULL;
    }

    http = calloc(1, sizeof(*http));

    if (http != NULL) {
        http->is_private_allowed = wr_settings_bool(settings,
                                                    "webhook.allow_private");
        http->is_http_allowed = wr_settings_bool(settings,
                                                 "webhook.allow_http");
        http->curl = curl_easy_init();
    }

    if (http == NULL || http->curl == NULL || !set(http, settings)) {
        *error_r = "libcurl cannot be set up for webhooks";
        notifications_http_free(&http);
    }

    return http;
}


void
notifications_http_free(struct notifications_http **http)
{
    if (*http != NULL) {
        curl_easy_cleanup((*http)->curl);
        free(*http);
        *http = NULL;
    }
}


/* Nothing comes from the environment, and a connection serves one person. */

static bool
set(struct notifications_http *http, const struct wr_settings *settings)
{
    CURL        *curl;
    long         ms;
    const char  *ca_file;

    curl = http->curl;
    ms = (long) wr_settings_ms(settings, "webhook.timeout");
    ca_file = wr_settings_text(settings, "webhook.ca_file");

    return curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR,
                               http->is_http_allowed ? "http,https" : "https")
               == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ms) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_USERAGENT, "warren") == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket)
               == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, http) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_WRITEDATA, http) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, drop) == CURLE_OK
           && curl_easy_setopt(curl, CURLOPT_HEADERDATA, http) == CURLE_OK
           && (ca_file[0] == '\0'
               || curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK);
}


/* The address is the one that is connected to: a name that resolves to another
   one the next time gains nothing. */

static curl_socket_t
open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct notifications_http  *http;

    (void) purpose;
    http = data;

    if (!http->is_private_allowed
        && !notifications_address_is_public(&address->addr))
    {
        http->is_refused = true;
        return CURL_SOCKET_BAD;
    }

    return socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
}


static size_t
drop(char *bytes, size_t size, size_t n, void *data)
{
    struct notifications_http  *http;

    (void) bytes;
    http = data;
    http->answer_len += size * n;

    return (http->answer_len <= ANSWER_MAX) ? size * n : 0;
}


const char *
notifications_http_check(const struct notifications_http *http,
    const char *url)
{
    CURLU       *parts;
    const char  *p, *wrong;

    for (p = url; *p != '\0'; p++) {
        if ((unsigned char) *p <= ' ' || (unsigned char) *p >= 0x7f) {
            return "must be of visible ASCII characters";
        }
    }

    parts = curl_url();

    if (parts == NULL) {
        abort();
    }

    wrong = check_parts(http, parts, url);
    curl_url_cleanup(parts);

    return wrong;
}


static const char *
check_parts(const struct notifications_http *http, CURLU *parts,
    const char *url)
{
    bool   is_https, is_http;
    char  *scheme;

    if (curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK
        || curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
    {
        return "must be an URL";
    }

    is_https = strcmp(scheme, "https") == 0;
    is_http = strcmp(scheme, "http") == 0;
    curl_free(scheme);

    if (!is_https && !(is_http && http->is_http_allowed)) {
        return http->is_http_allowed ? "must begin with https:// or http://"
                                     : "must begin with https://";
    }

    if (has_part(parts, CURLUPART_USER) || has_part(parts, CURLUPART_PASSWORD)
        || has_part(parts, CURLUPART_FRAGMENT))
    {
        return "must have no user, password or fragment";
    }

    return NULL;
}


static bool
has_part(CURLU *parts, CURLUPart part)
{
    char  *text;

    if (curl_url_get(parts, part, &text, 0) != CURLUE_OK) {
        return false;
    }

    curl_free(text);

    return true;
}


long
notifications_http_post(struct notifications_http *http, const char *url,
    const char *const *headers, const char *body, size_t len,
    const char **reason_r)
{
    long                status;
    CURLcode            rc;
    struct curl_slist  *list, *longer;

    http->error[0] = '\0';
    http->is_refused = false;
    http->answer_len = 0;
    *reason_r = http->reason;

    for (list = NULL; *headers != NULL; headers++) {
        longer = curl_slist_append(list, *headers);

        if (longer == NULL) {
            abort();
        }

        list = longer;
    }

    rc = curl_easy_setopt(http->curl, CURLOPT_URL, url);

    if (rc == CURLE_OK) {
        curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, list);
        curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t) len);
        rc = curl_easy_perform(http->curl);
        curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, NULL);
        curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, NULL);
    }

    curl_slist_free_all(list);

    if (rc != CURLE_OK) {
        snprintf(http->reason, sizeof(http->reason), "%s",
                 http->is_refused ? "its address is not public"
                 : http->error[0] != '\0' ? http->error
                                          : curl_easy_strerror(rc));
        return 0;
    }

    status = 0;
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    snprintf(http->reason, sizeof(http->reason), "status %ld", status);

    return status;
}
