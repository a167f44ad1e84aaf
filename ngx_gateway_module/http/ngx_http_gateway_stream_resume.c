/*
 * Copyright (C) the Warren authors
 *
 * What a client has missed: a service is asked for what came after the last
 * event that the client has, page by page.  The key is bound by then, so what
 * comes meanwhile is kept back and sent behind it; what was in a page is not
 * sent again.
 */

#include "ngx_http_gateway_stream.h"


/* ids of pages that are remembered, the newest of them */
#define NGX_HTTP_GATEWAY_STREAM_SEEN    256

/* an event that comes later than that after the last page is a new one, ms */
#define NGX_HTTP_GATEWAY_STREAM_MEMORY  60000


/* on the heap */

struct ngx_http_gateway_stream_resume_s {
    ngx_amqp_call_t              call;
    ngx_msec_t                   until;       /* deadline, then memory's end */
    ngx_str_t                    since;
    u_char                       since_data[NGX_HTTP_GATEWAY_STREAM_ID_MAX];

    /* what is kept back: events as they are told, each behind its length */
    ngx_http_gateway_stream_text_t  kept;

    ngx_uint_t                   nseen;
    uint64_t                     seen[NGX_HTTP_GATEWAY_STREAM_SEEN];

    unsigned                     is_live:1;   /* all was told */
    unsigned                     has_more:1;  /* and there is another page */
};


/* of what is kept back */

typedef struct {
    size_t                       len;
    uint64_t                     digest;
} ngx_http_gateway_stream_kept_t;


static ngx_int_t ngx_http_gateway_stream_resume_ask(
    ngx_http_gateway_stream_t *s);
static ngx_int_t ngx_http_gateway_stream_resume_message(
    ngx_http_gateway_stream_t *s, ngx_pool_t *pool,
    ngx_amqp_message_t *message);
static ngx_int_t ngx_http_gateway_stream_resume_claim(ngx_http_request_t *r,
    ngx_array_t *headers, char *claim, char *header);
static void ngx_http_gateway_stream_resume_end(ngx_amqp_call_t *call,
    ngx_amqp_end_e end, ngx_amqp_reply_t *reply);
static ngx_int_t ngx_http_gateway_stream_resume_page(
    ngx_http_gateway_stream_t *s, ngx_str_t *body);
static ngx_uint_t ngx_http_gateway_stream_resume_is_unknown(
    ngx_uint_t status);
static ngx_uint_t ngx_http_gateway_stream_resume_status(
    ngx_amqp_reply_t *reply);
static ngx_int_t ngx_http_gateway_stream_resume_live(
    ngx_http_gateway_stream_t *s);
static ngx_int_t ngx_http_gateway_stream_resume_keep(
    ngx_http_gateway_stream_t *s,
    const ngx_http_gateway_stream_event_t *event);
static ngx_uint_t ngx_http_gateway_stream_resume_has(
    ngx_http_gateway_stream_resume_t *resume, uint64_t digest);
static uint64_t ngx_http_gateway_stream_resume_digest(const ngx_str_t *id);


ngx_int_t
ngx_http_gateway_stream_resume(ngx_http_gateway_stream_t *s, ngx_str_t *since)
{
    ngx_http_gateway_stream_resume_t  *resume;

    resume = ngx_calloc(sizeof(ngx_http_gateway_stream_resume_t),
                        s->request->connection->log);
    if (resume == NULL) {
        return NGX_ERROR;
    }

    resume->call.handler = ngx_http_gateway_stream_resume_end;
    resume->call.data = s;
    resume->call.service_user = s->conf->service;

    /* no longer than NGX_HTTP_GATEWAY_STREAM_ID_MAX */

    resume->since.data = resume->since_data;
    resume->since.len = since->len;
    ngx_memcpy(resume->since_data, since->data, since->len);

    s->resume = resume;

    (void) ngx_atomic_fetch_add(&s->hub->stats->stream_resumed, 1);

    return ngx_http_gateway_stream_resume_ask(s);
}


ngx_int_t
ngx_http_gateway_stream_resume_more(ngx_http_gateway_stream_t *s)
{
    if (!s->resume->has_more || s->resume->call.active) {
        return NGX_OK;
    }

    return ngx_http_gateway_stream_resume_ask(s);
}


static ngx_int_t
ngx_http_gateway_stream_resume_ask(ngx_http_gateway_stream_t *s)
{
    ngx_int_t                          rc;
    ngx_pool_t                        *pool;
    ngx_amqp_message_t                 message;
    ngx_amqp_connection_t             *ac;
    ngx_http_gateway_loc_conf_t       *glcf;
    ngx_http_gateway_stream_resume_t  *resume;

    resume = s->resume;
    resume->has_more = 0;

    ac = ngx_http_gateway_connection(&s->hub->link->broker);
    if (ac == NULL) {
        return NGX_ERROR;
    }

    /* not the request's, which is to stay as small as it is */

    pool = ngx_create_pool(1024, s->request->connection->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    glcf = ngx_http_get_module_loc_conf(s->request,
                                        ngx_http_gateway_route_module);

    resume->until = ngx_current_msec + glcf->timeout;

    rc = ngx_http_gateway_stream_resume_message(s, pool, &message);

    if (rc == NGX_OK) {
        rc = ngx_amqp_call_start(ac, &resume->call, &message);
    }

    ngx_destroy_pool(pool);

    return rc == NGX_OK ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_http_gateway_stream_resume_message(ngx_http_gateway_stream_t *s,
    ngx_pool_t *pool, ngx_amqp_message_t *message)
{
    u_char                       uuid[NGX_HTTP_GATEWAY_UUID_LEN];
    ngx_str_t                    value;
    ngx_time_t                  *tp;
    ngx_array_t                 *headers;
    ngx_amqp_header_t           *h;
    ngx_http_request_t          *r;
    ngx_http_gateway_loc_conf_t *glcf;

    r = s->request;
    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_route_module);

    headers = ngx_array_create(pool, 8, sizeof(ngx_amqp_header_t));
    if (headers == NULL || ngx_http_gateway_uuid7(r, uuid) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(message, sizeof(ngx_amqp_message_t));

    ngx_str_set(&message->exchange, WIRE_EXCHANGE_RPC);
    ngx_str_set(&message->content_type, WIRE_CONTENT_JSON);
    message->routing_key = s->conf->service;
    message->type = s->conf->method;
    message->timestamp = ngx_time();
    message->expiration = glcf->timeout;
    message->headers = headers;

    message->message_id.len = sizeof(uuid);
    message->message_id.data = ngx_pnalloc(pool, sizeof(uuid));

    h = ngx_array_push(headers);

    if (message->message_id.data == NULL || h == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(message->message_id.data, uuid, sizeof(uuid));

    tp = ngx_timeofday();

    ngx_memzero(h, sizeof(ngx_amqp_header_t));
    ngx_str_set(&h->name, WIRE_HEADER_DEADLINE);
    h->type = ngx_amqp_header_int;
    h->number = (int64_t) tp->sec * 1000 + tp->msec + message->expiration;

    if (ngx_http_gateway_request_id(r, &value) != NGX_OK
        || ngx_http_gateway_message_put(headers, WIRE_HEADER_REQUEST_ID, &value)
           != NGX_OK
        || ngx_http_gateway_traceparent(r, &value) != NGX_OK
        || ngx_http_gateway_message_put(headers, WIRE_HEADER_TRACEPARENT,
                                        &value)
           != NGX_OK
        || ngx_http_gateway_message_put(headers,
                                        WIRE_HEADER_ARG_PREFIX "since",
                                        &s->resume->since)
           != NGX_OK
        || ngx_http_gateway_stream_resume_claim(r, headers, "sub",
                                                WIRE_HEADER_SUB)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_gateway_stream_resume_claim(r, headers, "scope",
                                                WIRE_HEADER_SCOPE);
}


static ngx_int_t
ngx_http_gateway_stream_resume_claim(ngx_http_request_t *r,
    ngx_array_t *headers, char *claim, char *header)
{
    ngx_str_t  name, value;

    name.data = (u_char *) claim;
    name.len = ngx_strlen(claim);

    if (ngx_http_gateway_jwt_claim(r, &name, &value) != NGX_OK) {
        return NGX_OK;
    }

    return ngx_http_gateway_message_put(headers, header, &value);
}


/* no code of requests is run here: what is to be done is posted */

static void
ngx_http_gateway_stream_resume_end(ngx_amqp_call_t *call, ngx_amqp_end_e end,
    ngx_amqp_reply_t *reply)
{
    ngx_log_t                  *log;
    ngx_uint_t                  status;
    ngx_http_gateway_stream_t  *s;

    static u_char  unknown[] = ": unknown\n\n";

    s = call->data;
    log = s->request->connection->log;

    if (end != NGX_AMQP_REPLY) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "stream not resumed: %s",
                      wire_error_info(ngx_http_gateway_call_error(end))->name);
        ngx_http_gateway_stream_end(s, "unavailable", 0);
        return;
    }

    status = ngx_http_gateway_stream_resume_status(reply);

    if (ngx_http_gateway_stream_resume_is_unknown(status)) {
        ngx_log_error(NGX_LOG_INFO, log, 0,
                      "stream not resumed: \"%V\" does not know its last "
                      "event, it answered %ui", &s->conf->service, status);

        if (ngx_http_gateway_stream_text_put(&s->next, unknown,
                                             sizeof(unknown) - 1)
            != NGX_OK
            || ngx_http_gateway_stream_resume_live(s) != NGX_OK)
        {
            ngx_http_gateway_stream_end(s, "memory", 1);
            return;
        }

        ngx_http_gateway_stream_post(s);
        return;
    }

    if (status != NGX_HTTP_OK) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "stream not resumed: \"%V\" answered %ui",
                      &s->conf->service, status);
        ngx_http_gateway_stream_end(s, "unavailable", 0);
        return;
    }

    switch (ngx_http_gateway_stream_resume_page(s, &reply->body)) {

    case NGX_OK:
        ngx_http_gateway_stream_post(s);
        return;

    case NGX_DECLINED:
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "stream not resumed: \"%V\" sent what is no list of "
                      "events", &s->conf->service);
        ngx_http_gateway_stream_end(s, "unavailable", 0);
        return;

    default:
        ngx_http_gateway_stream_end(s, "memory", 1);
    }
}


static ngx_int_t
ngx_http_gateway_stream_resume_page(ngx_http_gateway_stream_t *s,
    ngx_str_t *body)
{
    ngx_int_t                          rc;
    ngx_uint_t                         n;
    ngx_http_gateway_stream_list_t     list;
    ngx_http_gateway_stream_event_t    event;
    ngx_http_gateway_stream_resume_t  *resume;

    resume = s->resume;

    if (ngx_http_gateway_stream_list(body, &list) != NGX_OK) {
        return NGX_DECLINED;
    }

    for (n = 0; /* void */; n++) {

        rc = ngx_http_gateway_stream_list_next(&list, &event);

        if (rc == NGX_DONE) {
            break;
        }

        if (rc == NGX_OK) {
            rc = ngx_http_gateway_stream_text_event(&s->next, &event);
        }

        if (rc != NGX_OK) {
            return rc;
        }

        s->trail->events++;
        (void) ngx_atomic_fetch_add(&s->hub->stats->stream_events, 1);

        resume->seen[resume->nseen++ % NGX_HTTP_GATEWAY_STREAM_SEEN] =
                              ngx_http_gateway_stream_resume_digest(&event.id);

        resume->since.len = event.id.len;
        ngx_memcpy(resume->since_data, event.id.data, event.id.len);
    }

    /* a service that has nothing and yet more would be asked for ever */

    if (list.more && n) {
        resume->has_more = 1;
        return NGX_OK;
    }

    return ngx_http_gateway_stream_resume_live(s);
}


/*
 * No other time would make it an event, so that a client that came back would
 * do so for ever: it goes on with what comes.
 */

static ngx_uint_t
ngx_http_gateway_stream_resume_is_unknown(ngx_uint_t status)
{
    return status == NGX_HTTP_BAD_REQUEST || status == NGX_HTTP_NOT_FOUND
           || status == 422;
}


static ngx_uint_t
ngx_http_gateway_stream_resume_status(ngx_amqp_reply_t *reply)
{
    ngx_uint_t          i;
    ngx_amqp_header_t  *h;

    h = reply->headers.elts;

    for (i = 0; i < reply->headers.nelts; i++) {
        if (h[i].type == ngx_amqp_header_int
            && h[i].name.len == sizeof(WIRE_HEADER_STATUS) - 1
            && ngx_strncmp(h[i].name.data, WIRE_HEADER_STATUS, h[i].name.len)
               == 0)
        {
            return (ngx_uint_t) h[i].number;
        }
    }

    return 0;
}


/* sends what was kept back, unless it was in a page */

static ngx_int_t
ngx_http_gateway_stream_resume_live(ngx_http_gateway_stream_t *s)
{
    u_char                            *p, *last;
    ngx_http_gateway_stream_kept_t     kept;
    ngx_http_gateway_stream_resume_t  *resume;

    resume = s->resume;

    p = resume->kept.data;
    last = p + resume->kept.len;

    while (p < last) {
        ngx_memcpy(&kept, p, sizeof(ngx_http_gateway_stream_kept_t));
        p += sizeof(ngx_http_gateway_stream_kept_t);

        if (ngx_http_gateway_stream_resume_has(resume, kept.digest)) {
            (void) ngx_atomic_fetch_add(&s->hub->stats->stream_doubles, 1);

        } else if (ngx_http_gateway_stream_text_put(&s->next, p, kept.len)
                   == NGX_OK)
        {
            s->trail->events++;
            (void) ngx_atomic_fetch_add(&s->hub->stats->stream_events, 1);

        } else {
            return NGX_ERROR;
        }

        p += kept.len;
    }

    ngx_http_gateway_stream_text_free(&resume->kept);

    resume->is_live = 1;
    resume->until = ngx_current_msec + NGX_HTTP_GATEWAY_STREAM_MEMORY;

    return NGX_OK;
}


ngx_uint_t
ngx_http_gateway_stream_resume_takes(ngx_http_gateway_stream_t *s,
    const ngx_http_gateway_stream_event_t *event)
{
    if (s->resume->is_live) {

        /* it was in a page, and only now came by itself */

        if (event->id.len
            && ngx_http_gateway_stream_resume_has(s->resume,
                           ngx_http_gateway_stream_resume_digest(&event->id)))
        {
            (void) ngx_atomic_fetch_add(&s->hub->stats->stream_doubles, 1);
            return 1;
        }

        return 0;
    }

    if (s->resume->kept.len + event->body.len > s->conf->buffer) {
        (void) ngx_atomic_fetch_add(&s->hub->stats->stream_slow, 1);
        ngx_http_gateway_stream_end(s, "slow", 1);

    } else if (ngx_http_gateway_stream_resume_keep(s, event) == NGX_ERROR) {
        ngx_http_gateway_stream_end(s, "memory", 1);
    }

    return 1;
}


static ngx_int_t
ngx_http_gateway_stream_resume_keep(ngx_http_gateway_stream_t *s,
    const ngx_http_gateway_stream_event_t *event)
{
    size_t                           at;
    ngx_int_t                        rc;
    ngx_http_gateway_stream_kept_t   kept;
    ngx_http_gateway_stream_text_t  *text;

    text = &s->resume->kept;
    at = text->len;

    ngx_memzero(&kept, sizeof(ngx_http_gateway_stream_kept_t));

    if (event->id.len) {
        kept.digest = ngx_http_gateway_stream_resume_digest(&event->id);
    }

    rc = ngx_http_gateway_stream_text_put(text, (u_char *) &kept,
                                       sizeof(ngx_http_gateway_stream_kept_t));

    if (rc == NGX_OK) {
        rc = ngx_http_gateway_stream_text_event(text, event);
    }

    if (rc != NGX_OK) {
        text->len = at;
        return rc;
    }

    kept.len = text->len - at - sizeof(ngx_http_gateway_stream_kept_t);
    ngx_memcpy(text->data + at, &kept, sizeof(ngx_http_gateway_stream_kept_t));

    return NGX_OK;
}


void
ngx_http_gateway_stream_resume_tick(ngx_http_gateway_stream_t *s)
{
    ngx_http_gateway_stream_resume_t  *resume;

    resume = s->resume;

    if ((ngx_msec_int_t) (ngx_current_msec - resume->until) < 0) {
        return;
    }

    if (resume->is_live) {
        ngx_http_gateway_stream_resume_free(s);

    } else if (resume->call.active) {
        ngx_log_error(NGX_LOG_ERR, s->request->connection->log, 0,
                      "stream not resumed: \"%V\" did not answer in time",
                      &s->conf->service);
        ngx_http_gateway_stream_end(s, "unavailable", 0);
    }
}


void
ngx_http_gateway_stream_resume_free(ngx_http_gateway_stream_t *s)
{
    ngx_amqp_connection_t             *ac;
    ngx_http_gateway_stream_resume_t  *resume;

    resume = s->resume;

    if (resume == NULL) {
        return;
    }

    s->resume = NULL;

    ac = ngx_http_gateway_connection(&s->hub->link->broker);

    if (ac) {
        ngx_amqp_call_cancel(ac, &resume->call);
    }

    ngx_http_gateway_stream_text_free(&resume->kept);
    ngx_free(resume);
}


static ngx_uint_t
ngx_http_gateway_stream_resume_has(ngx_http_gateway_stream_resume_t *resume,
    uint64_t digest)
{
    ngx_uint_t  i, n;

    n = ngx_min(resume->nseen, NGX_HTTP_GATEWAY_STREAM_SEEN);

    for (i = 0; i < n; i++) {
        if (resume->seen[i] == digest) {
            return 1;
        }
    }

    return 0;
}


/* FNV-1a, never 0, which is that of no id; ids are of the service's making */

static uint64_t
ngx_http_gateway_stream_resume_digest(const ngx_str_t *id)
{
    size_t    i;
    uint64_t  hash;

    hash = 14695981039346656037ULL;

    for (i = 0; i < id->len; i++) {
        hash = (hash ^ id->data[i]) * 1099511628211ULL;
    }

    return hash ? hash : 1;
}
