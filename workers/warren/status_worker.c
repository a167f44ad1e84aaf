/*
 * Copyright (C) the Warren authors
 *
 * What a worker says of itself over HTTP.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "status_worker.h"
#include "text.h"


struct page {
    char    *text;
    size_t   len;
};


static bool is_url(const char *url);
static char *fetch(const char *url, const char *path, const char **error_r);
static size_t on_page(char *data, size_t size, size_t n, void *page);
static json_t *gauge(const char *metrics, const char *name);


json_t *
status_worker_ask(const char *url, const char **error_r)
{
    char    *ready, *metrics;
    json_t  *worker;

    if (!is_url(url)) {
        *error_r = "--worker-url must be http://host:port, where the worker "
                   "logged \"serving http on\"";
        return NULL;
    }

    metrics = NULL;
    worker = NULL;
    ready = fetch(url, "/ready", error_r);

    if (ready != NULL) {
        metrics = fetch(url, "/metrics", error_r);
    }

    if (metrics == NULL) {
        goto done;
    }

    worker = json_loads(ready, 0, NULL);

    if (!json_is_array(json_object_get(worker, "lanes"))
        || !json_is_string(json_object_get(worker, "service")))
    {
        *error_r = text_error("%s/ready is not what a worker says; is this "
                              "its port?", url);
        json_decref(worker);
        worker = NULL;
        goto done;
    }

    json_object_set_new(worker, "url", json_string(url));
    json_object_set_new(worker, "outbox_depth",
                        gauge(metrics, "warren_outbox_depth"));
    json_object_set_new(worker, "outbox_age_seconds",
                        gauge(metrics, "warren_outbox_age_seconds"));

done:

    free(ready);
    free(metrics);

    return worker;
}


/* Without a user: nothing there wants one, and it would be repeated. */

static bool
is_url(const char *url)
{
    bool    is_right;
    char   *scheme, *user;
    CURLU  *parts;

    scheme = NULL;
    user = NULL;
    parts = curl_url();

    is_right = parts != NULL
               && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK
               && curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0)
                  == CURLUE_OK
               && (strcmp(scheme, "http") == 0
                   || strcmp(scheme, "https") == 0)
               && curl_url_get(parts, CURLUPART_USER, &user, 0) != CURLUE_OK;

    curl_free(scheme);
    curl_free(user);
    curl_url_cleanup(parts);

    return is_right;
}


/* Any status will do: a worker that is not ready answers 503. */

static char *
fetch(const char *url, const char *path, const char **error_r)
{
    char         error[CURL_ERROR_SIZE], *whole;
    CURL        *curl;
    size_t       len;
    CURLcode     rc;
    struct page  page;

    len = strlen(url);
    memset(&page, 0, sizeof(page));
    page.text = text_alloc(1);
    error[0] = '\0';
    whole = text_printf("%.*s%s", (int) (len - (url[len - 1] == '/')), url,
                        path);
    curl = curl_easy_init();
    rc = CURLE_FAILED_INIT;

    if (curl != NULL
        && curl_easy_setopt(curl, CURLOPT_URL, whole) == CURLE_OK
        && curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error) == CURLE_OK
        && curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK
        && curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK
        && curl_easy_setopt(curl, CURLOPT_TIMEOUT,
                            (long) STATUS_WORKER_TIMEOUT_SEC) == CURLE_OK
        && curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_page) == CURLE_OK
        && curl_easy_setopt(curl, CURLOPT_WRITEDATA, &page) == CURLE_OK)
    {
        rc = curl_easy_perform(curl);
    }

    if (rc != CURLE_OK) {
        *error_r = text_error("worker %s: %s; does it run, and is this its "
                              "port?", url,
                              error[0] != '\0' ? error
                                               : curl_easy_strerror(rc));
        free(page.text);
        page.text = NULL;
    }

    curl_easy_cleanup(curl);
    free(whole);

    return page.text;
}


static size_t
on_page(char *data, size_t size, size_t n, void *to)
{
    struct page  *page;

    page = to;
    n *= size;

    if (n > STATUS_WORKER_ANSWER_MAX - page->len) {
        return 0;
    }

    page->text = text_grow(page->text, page->len + n + 1);
    memcpy(page->text + page->len, data, n);
    page->len += n;
    page->text[page->len] = '\0';

    return n;
}


/* The first sample of a name: "name{labels} 12". */

static json_t *
gauge(const char *metrics, const char *name)
{
    char        *end;
    double       value;
    size_t       len;
    const char  *line, *p;

    len = strlen(name);

    for (line = metrics; line != NULL && *line != '\0'; ) {
        p = line + len;

        if (strncmp(line, name, len) == 0 && (*p == '{' || *p == ' ')) {
            p += *p == '{' ? strcspn(p, "}\n") : 0;
            p += *p == '}';
            value = strtod(p, &end);

            return end != p ? json_real(value) : json_null();
        }

        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }

    return json_null();
}
