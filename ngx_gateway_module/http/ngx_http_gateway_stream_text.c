/*
 * Copyright (C) the Warren authors
 *
 * Events as text/event-stream has them, and the lists of a service from which
 * they are resumed.
 */

#include "ngx_http_gateway_stream.h"
#include "ngx_http_gateway_json.h"


#define NGX_HTTP_GATEWAY_STREAM_TEXT_MIN  256


static ngx_int_t ngx_http_gateway_stream_text_reserve(
    ngx_http_gateway_stream_text_t *text, size_t len);
static ngx_uint_t ngx_http_gateway_stream_text_is_line(const ngx_str_t *s);
static u_char *ngx_http_gateway_stream_text_data(u_char *p,
    const ngx_str_t *body);
static u_char *ngx_http_gateway_stream_skip_blanks(u_char *p);
static u_char *ngx_http_gateway_stream_skip_string(u_char *p);
static u_char *ngx_http_gateway_stream_skip_value(u_char *p);
static ngx_uint_t ngx_http_gateway_stream_is_name(const u_char *p,
    const char *name);


ngx_int_t
ngx_http_gateway_stream_text_event(ngx_http_gateway_stream_text_t *text,
    const ngx_http_gateway_stream_event_t *event)
{
    size_t   len, i;
    u_char  *p, ch;

    if (!ngx_http_gateway_stream_text_is_line(&event->id)
        || !ngx_http_gateway_stream_text_is_line(&event->type))
    {
        return NGX_DECLINED;
    }

    len = sizeof("id: \nevent: \ndata: \n\n") - 1 + event->id.len
          + event->type.len + event->body.len;

    for (i = 0; i < event->body.len; i++) {
        ch = event->body.data[i];

        if (ch == LF || ch == CR) {
            len += sizeof("data: ") - 1;
        }
    }

    if (ngx_http_gateway_stream_text_reserve(text, len) != NGX_OK) {
        return NGX_ERROR;
    }

    p = text->data + text->len;

    if (event->id.len) {
        p = ngx_cpymem(p, "id: ", sizeof("id: ") - 1);
        p = ngx_cpymem(p, event->id.data, event->id.len);
        *p++ = LF;
    }

    if (event->type.len) {
        p = ngx_cpymem(p, "event: ", sizeof("event: ") - 1);
        p = ngx_cpymem(p, event->type.data, event->type.len);
        *p++ = LF;
    }

    p = ngx_http_gateway_stream_text_data(p, &event->body);
    *p++ = LF;

    text->len = p - text->data;

    return NGX_OK;
}


/* what ends a line there ends one here, and nothing else can */

static u_char *
ngx_http_gateway_stream_text_data(u_char *p, const ngx_str_t *body)
{
    u_char  *src, *last;

    src = body->data;
    last = src + body->len;

    p = ngx_cpymem(p, "data: ", sizeof("data: ") - 1);

    while (src < last) {

        if (*src != LF && *src != CR) {
            *p++ = *src++;
            continue;
        }

        if (*src == CR && last - src > 1 && src[1] == LF) {
            src++;
        }

        src++;
        *p++ = LF;
        p = ngx_cpymem(p, "data: ", sizeof("data: ") - 1);
    }

    *p++ = LF;

    return p;
}


ngx_int_t
ngx_http_gateway_stream_text_put(ngx_http_gateway_stream_text_t *text,
    const u_char *p, size_t len)
{
    if (len == 0) {
        return NGX_OK;
    }

    if (ngx_http_gateway_stream_text_reserve(text, len) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memcpy(text->data + text->len, p, len);
    text->len += len;

    return NGX_OK;
}


void
ngx_http_gateway_stream_text_free(ngx_http_gateway_stream_text_t *text)
{
    if (text->data) {
        ngx_free(text->data);
    }

    ngx_memzero(text, sizeof(ngx_http_gateway_stream_text_t));
}


static ngx_int_t
ngx_http_gateway_stream_text_reserve(ngx_http_gateway_stream_text_t *text,
    size_t len)
{
    size_t   size;
    u_char  *data;

    if (text->size - text->len >= len) {
        return NGX_OK;
    }

    size = ngx_max(text->len + len, 2 * text->size);
    size = ngx_max(size, NGX_HTTP_GATEWAY_STREAM_TEXT_MIN);

    data = ngx_alloc(size, ngx_cycle->log);
    if (data == NULL) {
        return NGX_ERROR;
    }

    if (text->data) {
        ngx_memcpy(data, text->data, text->len);
        ngx_free(text->data);
    }

    text->data = data;
    text->size = size;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_gateway_stream_text_is_line(const ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 0x20 || s->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_http_gateway_stream_is_id(const ngx_str_t *id)
{
    return id->len <= NGX_HTTP_GATEWAY_STREAM_ID_MAX
           && wire_request_id_is_valid((char *) id->data, id->len);
}


/*
 * From here on the text is known to be JSON: whatever is skipped ends where it
 * should, and there is no end to be looked for.
 */

ngx_int_t
ngx_http_gateway_stream_list(const ngx_str_t *json,
    ngx_http_gateway_stream_list_t *list)
{
    u_char      *p, *name;
    ngx_uint_t   has_list;

    if (!ngx_http_gateway_json_is_valid(json->data, json->len)) {
        return NGX_DECLINED;
    }

    p = ngx_http_gateway_stream_skip_blanks(json->data);

    if (*p++ != '{') {
        return NGX_DECLINED;
    }

    has_list = 0;
    list->pos = NULL;
    list->more = 0;

    for ( ;; ) {
        p = ngx_http_gateway_stream_skip_blanks(p);

        if (*p == '}') {
            return has_list ? NGX_OK : NGX_DECLINED;
        }

        name = p;
        p = ngx_http_gateway_stream_skip_string(p);
        p = ngx_http_gateway_stream_skip_blanks(p) + 1;
        p = ngx_http_gateway_stream_skip_blanks(p);

        if (*p == '[' && !has_list) {
            has_list = 1;
            list->pos = p + 1;

        } else if (ngx_http_gateway_stream_is_name(name, "more")) {
            list->more = (*p == 't');
        }

        p = ngx_http_gateway_stream_skip_value(p);
        p = ngx_http_gateway_stream_skip_blanks(p);

        if (*p == ',') {
            p++;
        }
    }
}


ngx_int_t
ngx_http_gateway_stream_list_next(ngx_http_gateway_stream_list_t *list,
    ngx_http_gateway_stream_event_t *event)
{
    u_char     *p, *name, *last;
    ngx_str_t  *value;

    ngx_memzero(event, sizeof(ngx_http_gateway_stream_event_t));

    p = ngx_http_gateway_stream_skip_blanks(list->pos);

    if (*p == ']') {
        return NGX_DONE;
    }

    if (*p != '{') {
        return NGX_DECLINED;
    }

    event->body.data = p++;

    for (p = ngx_http_gateway_stream_skip_blanks(p); *p != '}'; /* void */ ) {

        name = p;
        p = ngx_http_gateway_stream_skip_string(p);
        p = ngx_http_gateway_stream_skip_blanks(p) + 1;
        p = ngx_http_gateway_stream_skip_blanks(p);
        last = ngx_http_gateway_stream_skip_value(p);

        value = NULL;

        if (ngx_http_gateway_stream_is_name(name, "id")) {
            value = &event->id;

        } else if (ngx_http_gateway_stream_is_name(name, "kind")) {
            value = &event->type;
        }

        if (value && *p == '"') {
            value->data = p + 1;
            value->len = last - p - 2;
        }

        p = ngx_http_gateway_stream_skip_blanks(last);

        if (*p == ',') {
            p = ngx_http_gateway_stream_skip_blanks(p + 1);
        }
    }

    event->body.len = p + 1 - event->body.data;

    p = ngx_http_gateway_stream_skip_blanks(p + 1);
    list->pos = (*p == ',') ? p + 1 : p;

    /* escapes would stand for something else than they are */

    return ngx_http_gateway_stream_is_id(&event->id)
           && ngx_strlchr(event->type.data, event->type.data + event->type.len,
                          '\\') == NULL
           ? NGX_OK : NGX_DECLINED;
}


static u_char *
ngx_http_gateway_stream_skip_blanks(u_char *p)
{
    while (*p == ' ' || *p == '\t' || *p == LF || *p == CR) {
        p++;
    }

    return p;
}


/* from quote to behind the other */

static u_char *
ngx_http_gateway_stream_skip_string(u_char *p)
{
    for (p++; *p != '"'; p++) {
        if (*p == '\\') {
            p++;
        }
    }

    return p + 1;
}


static u_char *
ngx_http_gateway_stream_skip_value(u_char *p)
{
    ngx_uint_t  depth;

    depth = 0;

    for ( ;; ) {

        switch (*p) {

        case '"':
            p = ngx_http_gateway_stream_skip_string(p);
            break;

        case '{':
        case '[':
            depth++;
            p++;
            break;

        case '}':
        case ']':

            /* that of what is around a number or a word */

            if (depth == 0) {
                return p;
            }

            depth--;
            p++;
            break;

        case ',':

            if (depth == 0) {
                return p;
            }

            p++;
            continue;

        default:
            p++;
            continue;
        }

        if (depth == 0) {
            return p;
        }
    }
}


/* whether the string that begins there is the name, written without escapes */

static ngx_uint_t
ngx_http_gateway_stream_is_name(const u_char *p, const char *name)
{
    size_t  len;

    len = ngx_strlen(name);

    /* compared up to the first difference, a quote at the latest */

    return ngx_strncmp(p + 1, name, len) == 0 && p[len + 1] == '"';
}
