/*
 * Copyright (C) the Warren authors
 *
 * Strict reading of the answer of an HTTP/1.0 server.
 */

#include <stdbool.h>
#include <string.h>

#include "ngx_http_gateway_jwt_answer.h"


/* digits of a length; more are too large in any case */

#define JWT_LENGTH_DIGITS  9


static const char *jwt_read_status(const unsigned char *p, size_t len);
static const char *jwt_read_header(const unsigned char *p, size_t len,
    size_t *length_r, bool *has_length_r);
static bool jwt_is_named(const unsigned char *p, size_t len, const char *name);
static size_t jwt_head_length(const unsigned char *p, size_t len);


int
ngx_http_gateway_jwt_answer(const unsigned char *text, size_t len, int is_end,
    size_t max, const unsigned char **body_r, size_t *body_len_r,
    const char **reason_r)
{
    bool                  has_length;
    size_t                head, n, length;
    const unsigned char  *p, *last, *end;

    *reason_r = NULL;

    head = jwt_head_length(text, len);

    if (head == 0 || head > NGX_HTTP_GATEWAY_JWT_ANSWER_HEAD) {

        if (len > NGX_HTTP_GATEWAY_JWT_ANSWER_HEAD) {
            *reason_r = "the head of the answer is too long";

        } else if (is_end) {
            *reason_r = "the answer has no whole head";

        } else {
            return NGX_HTTP_GATEWAY_JWT_ANSWER_MORE;
        }

        return NGX_HTTP_GATEWAY_JWT_ANSWER_BAD;
    }

    length = 0;
    has_length = false;
    last = text + head;

    for (p = text; p < last; p = end + 1) {
        end = memchr(p, '\n', (size_t) (last - p));

        /* a head ends with one */

        n = (size_t) (end - p);

        if (n != 0 && end[-1] == '\r') {
            n--;
        }

        *reason_r = p == text ? jwt_read_status(p, n)
                              : jwt_read_header(p, n, &length, &has_length);

        if (*reason_r != NULL) {
            return NGX_HTTP_GATEWAY_JWT_ANSWER_BAD;
        }
    }

    n = len - head;

    if (n > max || length > max) {
        *reason_r = "the answer is too large";
        return NGX_HTTP_GATEWAY_JWT_ANSWER_BAD;
    }

    *body_r = last;
    *body_len_r = has_length ? length : n;

    if (has_length && n >= length) {
        return NGX_HTTP_GATEWAY_JWT_ANSWER_DONE;
    }

    if (!is_end) {
        return NGX_HTTP_GATEWAY_JWT_ANSWER_MORE;
    }

    if (has_length) {
        *reason_r = "the answer was cut short";
        return NGX_HTTP_GATEWAY_JWT_ANSWER_BAD;
    }

    return NGX_HTTP_GATEWAY_JWT_ANSWER_DONE;
}


/* with the empty line that ends it; 0: it is not whole */

static size_t
jwt_head_length(const unsigned char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {

        if (p[i] != '\n') {
            continue;
        }

        if (i + 1 < len && p[i + 1] == '\n') {
            return i + 2;
        }

        if (i + 2 < len && p[i + 1] == '\r' && p[i + 2] == '\n') {
            return i + 3;
        }
    }

    return 0;
}


static const char *
jwt_read_status(const unsigned char *p, size_t len)
{
    if (len < sizeof("HTTP/1.x 200") - 1 || memcmp(p, "HTTP/1.", 7) != 0
        || (p[7] != '0' && p[7] != '1') || p[8] != ' ')
    {
        return "the answer is not HTTP";
    }

    if (memcmp(p + 9, "200", 3) != 0 || (len > 12 && p[12] != ' ')) {
        return "the status of the answer is not 200";
    }

    return NULL;
}


static const char *
jwt_read_header(const unsigned char *p, size_t len, size_t *length_r,
    bool *has_length_r)
{
    size_t  i, digits, value;

    if (jwt_is_named(p, len, "transfer-encoding:")) {
        return "the answer has a transfer coding";
    }

    if (jwt_is_named(p, len, "content-encoding:")) {
        return "the answer is compressed";
    }

    if (!jwt_is_named(p, len, "content-length:")) {
        return NULL;
    }

    i = sizeof("content-length:") - 1;

    while (i < len && (p[i] == ' ' || p[i] == '\t')) {
        i++;
    }

    value = 0;

    for (digits = 0; i < len && p[i] >= '0' && p[i] <= '9'; digits++, i++) {

        if (digits == JWT_LENGTH_DIGITS) {
            return "the answer is too large";
        }

        value = value * 10 + (size_t) (p[i] - '0');
    }

    while (i < len && (p[i] == ' ' || p[i] == '\t')) {
        i++;
    }

    if (digits == 0 || i != len || (*has_length_r && *length_r != value)) {
        return "the length of the answer is not valid";
    }

    *length_r = value;
    *has_length_r = true;

    return NULL;
}


/* name is in lower case */

static bool
jwt_is_named(const unsigned char *p, size_t len, const char *name)
{
    size_t         i;
    unsigned char  ch;

    for (i = 0; name[i] != '\0'; i++) {

        if (i == len) {
            return false;
        }

        ch = p[i];

        if (ch >= 'A' && ch <= 'Z') {
            ch = (unsigned char) (ch | 0x20);
        }

        if (ch != (unsigned char) name[i]) {
            return false;
        }
    }

    return true;
}
