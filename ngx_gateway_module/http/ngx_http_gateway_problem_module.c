/*
 * Copyright (C) the Warren authors
 *
 * A filter pair that writes the gateway's errors as problem documents
 * (RFC 9457) in place of nginx's pages, and the request id into answers.
 *
 * Errors are returned as statuses and remembered in r->ctx.  A redirect wipes
 * it, so error_page wins, and so does a module that admits the request after
 * all ("satisfy any").
 */

#include "ngx_http_gateway_private.h"


typedef struct {
    ngx_flag_t         is_on;         /* where nothing is routed, too */
} ngx_http_gateway_problem_conf_t;


typedef struct {
    enum wire_error    error;
    ngx_str_t          detail;

    /* set when the header was written: what the body filter sends once */
    ngx_str_t          body;
    unsigned           is_written:1;
    unsigned           is_sent:1;
} ngx_http_gateway_problem_t;


static void *ngx_http_gateway_problem_create_conf(ngx_conf_t *cf);
static char *ngx_http_gateway_problem_merge_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_http_gateway_problem_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_gateway_problem_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_problem_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_http_gateway_problem_t *ngx_http_gateway_problem_of_nginx(
    ngx_http_request_t *r);
static void ngx_http_gateway_problem_note(ngx_http_request_t *r,
    enum wire_error error);
static ngx_int_t ngx_http_gateway_problem_later(ngx_http_request_t *r,
    enum wire_error error);
static void ngx_http_gateway_problem_forget(ngx_http_request_t *r);
static ngx_int_t ngx_http_gateway_problem_id(ngx_http_request_t *r,
    ngx_uint_t is_problem);
static ngx_int_t ngx_http_gateway_problem_write(ngx_http_request_t *r,
    ngx_http_gateway_problem_t *problem);
static u_char *ngx_http_gateway_problem_string(u_char *p, ngx_str_t *s);


static ngx_command_t  ngx_http_gateway_problem_commands[] = {

    { ngx_string("gateway_problem"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
                        |NGX_HTTP_LIF_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gateway_problem_conf_t, is_on),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gateway_problem_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_gateway_problem_init,         /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_gateway_problem_create_conf,  /* create location configuration */
    ngx_http_gateway_problem_merge_conf    /* merge location configuration */
};


ngx_module_t  ngx_http_gateway_problem_module = {
    NGX_MODULE_V1,
    &ngx_http_gateway_problem_module_ctx,  /* module context */
    ngx_http_gateway_problem_commands,     /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


/* of what did not happen and may be repeated; it is known by its address */

static char       ngx_http_gateway_problem_retry[] = "Retry-After";


/* nginx's own refusals, and what they are here */

static struct {
    ngx_int_t          status;
    enum wire_error    error;
} ngx_http_gateway_problems[] = {
    { NGX_HTTP_BAD_REQUEST, WIRE_ERROR_INVALID },
    { NGX_HTTP_UNAUTHORIZED, WIRE_ERROR_UNAUTHENTICATED },
    { NGX_HTTP_FORBIDDEN, WIRE_ERROR_FORBIDDEN },
    { NGX_HTTP_NOT_FOUND, WIRE_ERROR_NOT_FOUND },
    { NGX_HTTP_NOT_ALLOWED, WIRE_ERROR_METHOD_NOT_ALLOWED },
    { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, WIRE_ERROR_TOO_LARGE },
    { NGX_HTTP_UNSUPPORTED_MEDIA_TYPE, WIRE_ERROR_UNSUPPORTED },
    { NGX_HTTP_TOO_MANY_REQUESTS, WIRE_ERROR_RATE_LIMITED },
    { NGX_HTTP_INTERNAL_SERVER_ERROR, WIRE_ERROR_INTERNAL },
    { NGX_HTTP_SERVICE_UNAVAILABLE, WIRE_ERROR_OVERLOADED }
};


static void *
ngx_http_gateway_problem_create_conf(ngx_conf_t *cf)
{
    ngx_http_gateway_problem_conf_t  *conf;

    conf = ngx_palloc(cf->pool, sizeof(ngx_http_gateway_problem_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->is_on = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_gateway_problem_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_gateway_problem_conf_t *prev = parent;
    ngx_http_gateway_problem_conf_t *conf = child;

    ngx_conf_merge_value(conf->is_on, prev->is_on, 0);

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_gateway_refuse(ngx_http_request_t *r, enum wire_error error,
    ngx_str_t *detail)
{
    ngx_http_gateway_problem_t  *problem;

    problem = ngx_http_get_module_ctx(r, ngx_http_gateway_problem_module);

    if (problem == NULL) {
        problem = ngx_pcalloc(r->pool, sizeof(ngx_http_gateway_problem_t));
        if (problem == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ngx_http_set_ctx(r, problem, ngx_http_gateway_problem_module);
    }

    problem->error = error;
    ngx_str_null(&problem->detail);

    if (detail) {
        problem->detail = *detail;
    }

    if (ngx_http_gateway_problem_later(r, error) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_gateway_problem_note(r, error);

    return wire_error_info(error)->status;
}


ngx_int_t
ngx_http_gateway_refuse_later(ngx_http_request_t *r, enum wire_error error,
    ngx_str_t *detail, ngx_uint_t seconds)
{
    u_char     *p;
    ngx_int_t   status;
    ngx_str_t   value;

    status = ngx_http_gateway_refuse(r, error, detail);

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    value.data = p;
    value.len = ngx_sprintf(p, "%ui", seconds) - p;

    /* in place of the one that its error may have */

    ngx_http_gateway_problem_forget(r);

    if (ngx_http_gateway_header_out(r, ngx_http_gateway_problem_retry, &value,
                                    NULL)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return status;
}


static ngx_int_t
ngx_http_gateway_problem_header_filter(ngx_http_request_t *r)
{
    ngx_http_gateway_problem_t  *problem;

    problem = ngx_http_get_module_ctx(r, ngx_http_gateway_problem_module);

    if (problem && problem->is_written) {
        return ngx_http_next_header_filter(r);
    }

    if (problem == NULL) {
        problem = ngx_http_gateway_problem_of_nginx(r);

    } else if ((ngx_uint_t) wire_error_info(problem->error)->status
               != r->err_status
               || r->headers_out.status != r->err_status)
    {
        /* the answer is another one after all */
        problem = NULL;
    }

    if (r == r->main
        && ngx_http_gateway_problem_id(r, problem != NULL) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (problem == NULL) {

        /* an error_page may have made another answer of a 503 */

        if (r == r->main && r->internal
            && r->headers_out.status != NGX_HTTP_SERVICE_UNAVAILABLE)
        {
            ngx_http_gateway_problem_forget(r);
        }

        return ngx_http_next_header_filter(r);
    }

    if (ngx_http_gateway_problem_write(r, problem) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/*
 * nginx's pages are sent with err_status set.  A reply of a worker may be sent
 * with it too, as the answer of an error_page, and is left alone.
 */

static ngx_http_gateway_problem_t *
ngx_http_gateway_problem_of_nginx(ngx_http_request_t *r)
{
    ngx_uint_t                        i, n;
    ngx_http_gateway_problem_t       *problem;
    ngx_http_gateway_problem_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_gateway_problem_module);

    if (r->err_status == 0
        || r->headers_out.status != r->err_status
        || (!conf->is_on && !ngx_http_gateway_is_routed(r))
        || ngx_http_gateway_is_reply(r))
    {
        return NULL;
    }

    n = sizeof(ngx_http_gateway_problems)
        / sizeof(ngx_http_gateway_problems[0]);

    for (i = 0; i < n; i++) {
        if (ngx_http_gateway_problems[i].status
            == (ngx_int_t) r->headers_out.status)
        {
            break;
        }
    }

    if (i == n) {
        return NULL;
    }

    problem = ngx_pcalloc(r->pool, sizeof(ngx_http_gateway_problem_t));
    if (problem == NULL) {

        /* nginx's page is an answer, too */

        return NULL;
    }

    problem->error = ngx_http_gateway_problems[i].error;

    if (ngx_http_gateway_problem_later(r, problem->error) != NGX_OK) {
        return NULL;
    }

    ngx_http_gateway_problem_note(r, problem->error);
    ngx_http_set_ctx(r, problem, ngx_http_gateway_problem_module);

    return problem;
}


static void
ngx_http_gateway_problem_note(ngx_http_request_t *r, enum wire_error error)
{
    ngx_http_gateway_trail_t  *trail;

    ngx_http_gateway_count(r, outcomes[error]);

    /* the access log can do without it if memory is short */

    trail = ngx_http_gateway_trail_get(r);

    if (trail) {
        trail->outcome.data = (u_char *) wire_error_info(error)->name;
        trail->outcome.len = ngx_strlen(trail->outcome.data);
    }
}


/* Retry-After for errors that have it.  NGX_OK or NGX_ERROR. */

static ngx_int_t
ngx_http_gateway_problem_later(ngx_http_request_t *r, enum wire_error error)
{
    static ngx_str_t  soon = ngx_string("1");

    if (error != WIRE_ERROR_OVERLOADED && error != WIRE_ERROR_UNAVAILABLE) {
        return NGX_OK;
    }

    /* it may have been told before a redirect */

    ngx_http_gateway_problem_forget(r);

    return ngx_http_gateway_header_out(r, ngx_http_gateway_problem_retry,
                                       &soon, NULL);
}


/* takes the Retry-After back that was set here */

static void
ngx_http_gateway_problem_forget(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_out.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.data == (u_char *) ngx_http_gateway_problem_retry) {
            h[i].hash = 0;
        }
    }
}


static ngx_int_t
ngx_http_gateway_problem_id(ngx_http_request_t *r, ngx_uint_t is_problem)
{
    ngx_str_t  id;

    if (ngx_http_gateway_header_is_out(r, "X-Request-Id")) {
        return NGX_OK;
    }

    if (is_problem || ngx_http_gateway_is_routed(r)) {

        if (ngx_http_gateway_request_id(r, &id) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (ngx_http_gateway_request_id_known(r, &id) != NGX_OK) {

        return NGX_OK;
    }

    return ngx_http_gateway_header_out(r, "X-Request-Id", &id, NULL);
}


static ngx_int_t
ngx_http_gateway_problem_write(ngx_http_request_t *r,
    ngx_http_gateway_problem_t *problem)
{
    u_char                        *p;
    size_t                         len;
    ngx_str_t                      id, title, *detail;
    const struct wire_error_info  *info;

    if (ngx_http_gateway_request_id(r, &id) != NGX_OK) {
        return NGX_ERROR;
    }

    info = wire_error_info(problem->error);
    title.data = (u_char *) info->title;
    title.len = ngx_strlen(info->title);
    detail = &problem->detail;

    len = sizeof("{\"type\":\"\",\"title\":\"\",\"status\":,\"detail\":\"\","
                 "\"instance\":\"\"}" WIRE_PROBLEM_TYPE_PREFIX)
          + ngx_strlen(info->name) + title.len + NGX_INT_T_LEN
          + 6 * detail->len + id.len;

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    problem->body.data = p;

    p = ngx_sprintf(p, "{\"type\":\"" WIRE_PROBLEM_TYPE_PREFIX "%s\","
                       "\"title\":\"%V\",\"status\":%d",
                    info->name, &title, (int) info->status);

    if (detail->len) {
        p = ngx_cpymem(p, ",\"detail\":\"", sizeof(",\"detail\":\"") - 1);
        p = ngx_http_gateway_problem_string(p, detail);
        *p++ = '"';
    }

    p = ngx_sprintf(p, ",\"instance\":\"%V\"}", &id);

    problem->body.len = p - problem->body.data;
    problem->is_written = 1;

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    r->headers_out.content_length_n = problem->body.len;
    ngx_str_set(&r->headers_out.content_type, WIRE_CONTENT_PROBLEM);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    return NGX_OK;
}


/*
 * As the inside of a JSON string.  Bytes beyond ASCII are written as they are:
 * details are our own texts.
 */

static u_char *
ngx_http_gateway_problem_string(u_char *p, ngx_str_t *s)
{
    size_t  i;
    u_char  ch;

    for (i = 0; i < s->len; i++) {
        ch = s->data[i];

        if (ch == '"' || ch == '\\') {
            *p++ = '\\';
            *p++ = ch;

        } else if (ch < 0x20 || ch == 0x7f) {
            p = ngx_sprintf(p, "\\u%04xd", (int) ch);

        } else {
            *p++ = ch;
        }
    }

    return p;
}


static ngx_int_t
ngx_http_gateway_problem_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t                   *b;
    ngx_chain_t                 *cl, *out;
    ngx_http_gateway_problem_t  *problem;

    problem = ngx_http_get_module_ctx(r, ngx_http_gateway_problem_module);

    if (problem == NULL || !problem->is_written || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    /* nginx's page is consumed unread */

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    if (problem->is_sent) {
        return ngx_http_next_body_filter(r, NULL);
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = problem->body.data;
    b->last = b->pos + problem->body.len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out = ngx_alloc_chain_link(r->pool);
    if (out == NULL) {
        return NGX_ERROR;
    }

    out->buf = b;
    out->next = NULL;

    problem->is_sent = 1;

    return ngx_http_next_body_filter(r, out);
}


static ngx_int_t
ngx_http_gateway_problem_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_gateway_problem_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_gateway_problem_body_filter;

    return NGX_OK;
}
