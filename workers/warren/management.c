/*
 * Copyright (C) the Warren authors
 *
 * RabbitMQ's management HTTP API, one blocking request at a time.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "management.h"
#include "secret.h"
#include "text.h"


#define RETRIES         5
#define RETRY_PAUSE_MS  200


struct management {
    CURL               *curl;
    struct curl_slist  *headers;
    char               *url;            /* without user, with "/api" */
    char               *user;
    char                error[CURL_ERROR_SIZE];
    bool                is_look_only;

    /* the answer that is being read */
    char               *answer;
    size_t              len;
};


static int split_url(struct management *m, const char *url,
    const char **error_r);
static int set_options(struct management *m, const char *password,
    const char *ca_file);
static long perform(struct management *m, const char *method,
    const char *body, va_list path, const char **error_r);
static char *join_path(struct management *m, va_list words);
static size_t on_answer(char *data, size_t size, size_t n, void *management);
static const char *refusal(struct management *m, const char *what,
    long status);


struct management *
management_open(const char *url, const char *password, const char *ca_file,
    const char **error_r)
{
    struct management  *m;

    m = text_alloc(sizeof(*m));
    m->curl = curl_easy_init();
    m->headers = curl_slist_append(NULL, "Content-Type: application/json");

    if (m->curl == NULL || m->headers == NULL) {
        *error_r = "libcurl could not be started";
        goto failed;
    }

    if (split_url(m, url, error_r) == -1) {
        goto failed;
    }

    if (set_options(m, password, ca_file) == -1) {
        *error_r = "libcurl is too old or lacks https";
        goto failed;
    }

    return m;

failed:

    management_close(&m);

    return NULL;
}


void
management_close(struct management **management)
{
    struct management  *m;

    m = *management;

    if (m == NULL) {
        return;
    }

    curl_easy_cleanup(m->curl);
    curl_slist_free_all(m->headers);
    free(m->url);
    free(m->user);
    free(m->answer);
    free(m);
    *management = NULL;
}


void
management_look_only(struct management *m)
{
    m->is_look_only = true;
}


json_t *
management_get(struct management *m, const char **error_r, ...)
{
    int                    i;
    long                   status;
    json_t                *answer;
    va_list                path;
    json_error_t           json_error;
    const struct timespec  pause = { .tv_nsec = RETRY_PAUSE_MS * 1000000L };

    for (i = 0; /* void */; i++) {
        va_start(path, error_r);
        status = perform(m, "GET", NULL, path, error_r);
        va_end(path);

        /* a node that loses a queue while it lists them says 500 */
        if (status < 500 || i == RETRIES) {
            break;
        }

        nanosleep(&pause, NULL);
    }

    if (status == -1) {
        return NULL;
    }

    if (status == 404) {
        *error_r = NULL;
        return NULL;
    }

    if (status != 200) {
        *error_r = refusal(m, "GET", status);
        return NULL;
    }

    answer = json_loadb(m->answer, m->len, JSON_ALLOW_NUL, &json_error);

    if (answer == NULL) {
        *error_r = text_error("%s did not answer with JSON (%s); is it the "
                              "management port?", m->url, json_error.text);
    }

    return answer;
}


int
management_send(struct management *m, const char *method, json_t *body,
    const char **error_r, ...)
{
    long      status;
    char     *text;
    va_list   path;

    if (m->is_look_only) {
        json_decref(body);
        return 0;
    }

    text = json_dumps(body, JSON_COMPACT);
    json_decref(body);

    if (text == NULL) {
        *error_r = "what is to be sent is no JSON";
        return -1;
    }

    va_start(path, error_r);
    status = perform(m, method, text, path, error_r);
    va_end(path);

    secret_free(&text);

    if (status == -1) {
        return -1;
    }

    if (status < 200 || status > 299) {
        *error_r = refusal(m, method, status);
        return -1;
    }

    return 0;
}


static int
split_url(struct management *m, const char *url, const char **error_r)
{
    int     rc;
    char   *base, *scheme, *user, *password;
    CURLU  *parts;

    base = NULL;
    scheme = NULL;
    user = NULL;
    password = NULL;
    rc = -1;
    parts = curl_url();

    if (parts == NULL
        || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK
        || curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK
        || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        || curl_url_get(parts, CURLUPART_USER, &user, CURLU_URLDECODE)
           != CURLUE_OK)
    {
        *error_r = "--url must be http://user@host:port";
        goto done;
    }

    if (curl_url_get(parts, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK) {
        *error_r = "--url has a password in it, where everybody may read it; "
                   "use --password-file";
        goto done;
    }

    curl_url_set(parts, CURLUPART_USER, NULL, 0);
    curl_url_set(parts, CURLUPART_QUERY, NULL, 0);
    curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0);

    if (curl_url_get(parts, CURLUPART_URL, &base, 0) != CURLUE_OK) {
        *error_r = "--url must be http://user@host:port";
        goto done;
    }

    m->user = text_printf("%s", user);
    m->url = text_printf("%s%sapi", base,
                         base[strlen(base) - 1] == '/' ? "" : "/");
    rc = 0;

done:

    curl_free(base);
    curl_free(scheme);
    curl_free(user);
    curl_free(password);
    curl_url_cleanup(parts);

    return rc;
}


static int
set_options(struct management *m, const char *password, const char *ca_file)
{
    CURL      *curl;
    CURLcode   rc;

    curl = m->curl;
    rc = CURLE_OK;

#define set(option, value)                                                    \
    rc = rc != CURLE_OK ? rc : curl_easy_setopt(curl, option, value)

    set(CURLOPT_ERRORBUFFER, m->error);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_NOPROXY, "*");
    set(CURLOPT_HTTPAUTH, (long) CURLAUTH_BASIC);
    set(CURLOPT_USERNAME, m->user);
    set(CURLOPT_PASSWORD, password);
    set(CURLOPT_HTTPHEADER, m->headers);
    set(CURLOPT_CONNECTTIMEOUT, 10L);
    set(CURLOPT_TIMEOUT, (long) MANAGEMENT_TIMEOUT_SEC);
    set(CURLOPT_WRITEFUNCTION, on_answer);
    set(CURLOPT_WRITEDATA, m);

    if (ca_file != NULL) {
        set(CURLOPT_CAINFO, ca_file);
    }

#undef set

    return rc == CURLE_OK ? 0 : -1;
}


/* The HTTP status, or -1 and the reason if there is none. */

static long
perform(struct management *m, const char *method, const char *body,
    va_list path, const char **error_r)
{
    long       status;
    char      *url;
    CURLcode   rc;

    url = join_path(m, path);
    m->len = 0;
    m->error[0] = '\0';

    curl_easy_setopt(m->curl, CURLOPT_URL, url);

    if (body == NULL) {
        curl_easy_setopt(m->curl, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(m->curl, CURLOPT_CUSTOMREQUEST, NULL);

    } else {
        curl_easy_setopt(m->curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(m->curl, CURLOPT_CUSTOMREQUEST, method);
    }

    rc = curl_easy_perform(m->curl);

    if (rc == CURLE_OK) {
        curl_easy_getinfo(m->curl, CURLINFO_RESPONSE_CODE, &status);

    } else {
        *error_r = text_error("%s: %s; is the node up, its management plugin "
                              "on, and this its port?", m->url,
                              m->error[0] != '\0' ? m->error
                                                  : curl_easy_strerror(rc));
        status = -1;
    }

    free(url);

    return status;
}


static char *
join_path(struct management *m, va_list words)
{
    char        *url, *longer, *escaped;
    const char  *word;

    url = text_printf("%s", m->url);

    for (word = va_arg(words, const char *);
         word != NULL;
         word = va_arg(words, const char *))
    {
        escaped = curl_easy_escape(m->curl, word, 0);
        longer = text_printf("%s/%s", url, escaped != NULL ? escaped : "");
        curl_free(escaped);
        free(url);
        url = longer;
    }

    return url;
}


static size_t
on_answer(char *data, size_t size, size_t n, void *management)
{
    struct management  *m;

    m = management;
    n *= size;

    if (n > MANAGEMENT_ANSWER_MAX - m->len) {
        return 0;
    }

    m->answer = text_grow(m->answer, m->len + n + 1);
    memcpy(m->answer + m->len, data, n);
    m->len += n;
    m->answer[m->len] = '\0';

    return n;
}


/* Why the node said no, with what to do where that is known. */

static const char *
refusal(struct management *m, const char *what, long status)
{
    json_t      *answer;
    const char  *reason, *advice, *error, *url;

    reason = NULL;
    answer = m->len == 0 ? NULL : json_loadb(m->answer, m->len, 0, NULL);

    if (json_is_object(answer)) {
        reason = json_string_value(json_object_get(answer, "reason"));
    }

    advice = "";

    if (status == 401 || status == 403) {
        advice = "; the user needs this password, the tag administrator and "
                 "all rights in the vhost";
    }

    url = NULL;
    curl_easy_getinfo(m->curl, CURLINFO_EFFECTIVE_URL, &url);
    error = text_error("%s %s as %s: %ld %s%s", what,
                       url != NULL ? url : m->url, m->user, status,
                       reason != NULL ? reason : "without a reason", advice);
    json_decref(answer);

    return error;
}
